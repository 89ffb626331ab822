"""`python -m tests.stores`: run the tests on real stores, one after the other, and print one table of them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from benchmarks.postgres import PostgresUnavailable
from tests.prove.guard import guarded, scratch
from tests.stores.replays import PlayError, play
from tests.stores.results import Outcome, outcome, page_table, table
from tests.stores.targets import STORES, Started, Store

_ROOT = Path(__file__).resolve().parents[2]
_NOT_PASSED_ON = frozenset(
    {
        # What a developer has set for a site of his own is not what is tested.
        *("DATABASE_URL", "REDIS_URL", "TEST_REDIS", "UPSTASH_REDIS_REST_TOKEN", "UPSTASH_REDIS_REST_URL"),
        # Runs that are guarded within the tests are not ours.
        "PROVE_SCRATCH",
    }
)
_WIDTH = 230
_PAGE = _ROOT / "docs" / "stores.md"
_BEGIN, _END = "<!-- stores -->", "<!-- /stores -->"
_IN_PARALLEL = ("--numprocesses", "auto", "--dist", "worksteal")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; `passed_on` are pytest's arguments."""

    stores: Sequence[Store]
    passed_on: Sequence[str] = ()
    has_ordinary: bool = True
    only: str | None = None
    writes_docs: bool = False

    def has_tests(self, store: Store) -> bool:
        return self.only != "replays" and (self.has_ordinary or not store.is_ordinary)

    @property
    def has_replays(self) -> bool:
        # Who names tests wants these.
        return self.only != "tests" and not self.passed_on


def _arguments() -> Wanted:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stores",
        description="Run the tests on real stores and print a table. Exit 0 if on each of them all tests passed. All "
        "other arguments are pytest's; paths among them replace the tests that a store is made for.",
    )
    which = f"of {', '.join(STORES)}, in one argument; unless given all, without those tests that `make test` runs"
    parser.add_argument("--stores", help=which)
    parser.add_argument("--only", choices=("tests", "replays"), help="do this alone")
    parser.add_argument("--write-docs", action="store_true", help="write each store that is good into docs/stores.md")
    given, passed_on = parser.parse_known_args()
    names = given.stores.split() if given.stores is not None else list(STORES)
    if unknown := sorted(set(names) - set(STORES)):
        parser.error(f"no such store: {', '.join(unknown)}; there are {', '.join(STORES)}")
    wanted = Wanted(
        stores=[STORES[name] for name in names],
        passed_on=[each for each in passed_on if each != "--"],
        has_ordinary=given.stores is not None,
        only=given.only,
        writes_docs=given.write_docs,
    )
    if wanted.writes_docs and (wanted.only or wanted.passed_on):
        parser.error("--write-docs wants the whole of each store: leave --only and pytest's arguments out")
    return wanted


def _is_path(argument: str) -> bool:
    return not argument.startswith("-") and (_ROOT / argument.split("::")[0]).exists()


def _run(store: Store, wanted: Wanted, folder: Path) -> Outcome:
    with ExitStack() as stack:
        try:
            started = store.start(stack)
        except PostgresUnavailable as error:
            return Outcome(store.name, trouble=str(error))
        found = Outcome(store.name, started.version, has_tests=False)
        if wanted.has_tests(store):
            found = _test(store, started, wanted.passed_on, folder)
        return _played(found, started) if wanted.has_replays else found


def _test(store: Store, started: Started, passed_on: Sequence[str], folder: Path) -> Outcome:
    record = folder / f"{store.name}.xml"
    tests = () if any(map(_is_path, passed_on)) else store.tests
    parallel = () if {"-n", "--numprocesses"} & set(passed_on) else _IN_PARALLEL
    command = [sys.executable, "-m", "pytest", f"--junitxml={record}", *parallel, *passed_on, *tests]
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    environment = {**kept, **started.environment}
    begin = time.monotonic()
    code = subprocess.run(command, cwd=_ROOT, env=environment, check=False).returncode
    return outcome(store.name, started.version, record, (time.monotonic() - begin) / 60, code)


def _played(found: Outcome, started: Started) -> Outcome:
    site = started.environment if started.site is None else started.site
    try:
        found = replace(found, played=play(site))
        if started.interruption is not None:
            found = replace(found, interrupted=play(site, started.interruption))
    except PlayError as error:
        return replace(found, trouble=" ".join(filter(None, (found.trouble, str(error)))))
    return found


def _main(wanted: Wanted) -> int:
    # As wide as the table wants: what a run of half an hour found is not to be cut off.
    console = Console(highlight=False, width=_WIDTH)
    outcomes = []
    for store in wanted.stores:
        console.rule(store.name)
        outcomes.append(_run(store, wanted, scratch()))
        if wanted.writes_docs and outcomes[-1].good:
            page_write(outcomes[-1:])
    console.print(table(outcomes))
    return 0 if all(each.good for each in outcomes) else 1


def page_write(outcomes: Sequence[Outcome], page: Path = _PAGE) -> None:
    """Put these lines into the table between its two marks in the page; raises ValueError when they are not there."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    old, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{page} has no {_BEGIN} and {_END} to put the table between.")
    page.write_text(f"{before}{begin}\n{page_table(outcomes, old, list(STORES))}\n{end}{after}", encoding="utf-8")


def main() -> int:
    wanted = _arguments()
    return guarded(lambda: _main(wanted))


if __name__ == "__main__":
    sys.exit(main())
