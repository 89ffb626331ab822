"""`python -m tests.stores`: run the tests on real stores, one after the other, and print one table of them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.postgres import PostgresUnavailable
from tests.prove.guard import guarded, scratch
from tests.stores.results import Outcome, outcome, table
from tests.stores.targets import STORES, Store

_ROOT = Path(__file__).resolve().parents[2]
# What a developer has set for a site of his own is not what is tested.
_NOT_PASSED_ON = frozenset({"DATABASE_URL", "REDIS_URL", "TEST_REDIS"})
# `make test` is the suite on SQLite.
_BY_DEFAULT = " ".join(name for name in STORES if name != "sqlite")
_IN_PARALLEL = ("--numprocesses", "auto", "--dist", "worksteal")


def _arguments() -> tuple[list[Store], list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stores",
        description="Run the tests on real stores and print a table. Exit 0 if on each of them all tests passed. All "
        "other arguments are pytest's; paths among them replace the tests that a store is made for.",
    )
    which = f"of {', '.join(STORES)}, in one argument (default: {_BY_DEFAULT})"
    parser.add_argument("--stores", default=_BY_DEFAULT, help=which)
    given, passed_on = parser.parse_known_args()
    names = given.stores.split()
    if unknown := sorted(set(names) - set(STORES)):
        parser.error(f"no such store: {', '.join(unknown)}; there are {', '.join(STORES)}")
    return [STORES[name] for name in names], [each for each in passed_on if each != "--"]


def _is_path(argument: str) -> bool:
    return not argument.startswith("-") and (_ROOT / argument.split("::")[0]).exists()


def _run(store: Store, passed_on: Sequence[str], folder: Path) -> Outcome:
    with ExitStack() as stack:
        try:
            started = store.start(stack)
        except PostgresUnavailable as error:
            return Outcome(store.name, trouble=str(error))
        record = folder / f"{store.name}.xml"
        tests = () if any(map(_is_path, passed_on)) else store.tests
        parallel = () if {"-n", "--numprocesses"} & set(passed_on) else _IN_PARALLEL
        command = [sys.executable, "-m", "pytest", f"--junitxml={record}", *parallel, *passed_on, *tests]
        kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
        environment = {**kept, **started.environment}
        begin = time.monotonic()
        code = subprocess.run(command, cwd=_ROOT, env=environment, check=False).returncode
        return outcome(store.name, started.version, record, (time.monotonic() - begin) / 60, code)


def _main(stores: Sequence[Store], passed_on: Sequence[str]) -> int:
    console = Console(highlight=False, soft_wrap=True)
    outcomes = []
    for store in stores:
        console.rule(store.name)
        outcomes.append(_run(store, passed_on, scratch()))
    console.print(table(outcomes))
    return 0 if all(each.good for each in outcomes) else 1


def main() -> int:
    stores, passed_on = _arguments()
    return guarded(lambda: _main(stores, passed_on))


if __name__ == "__main__":
    sys.exit(main())
