"""`python -m tests.prove`: look for stale reads with real processes and servers; see the options for what is varied."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys

from rich.console import Console
from rich.markup import escape

from tests.prove.guard import guarded
from tests.prove.processes import Place, ServerFailedError
from tests.prove.shapes import redis_option

_SABOTAGES = ("mark", "stamps", "lease", "unmark", "second-writer")
_NEED_REDIS = frozenset({"lease"})
_NOTHING_PROVED = 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove",
        description="Look for stale reads: exit 0 if there are none, 1 if there are, 2 if too little happened to tell.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, for all modes together (default 60)")
    modes = parser.add_mutually_exclusive_group()
    redis_option(modes)
    modes.add_argument("--no-redis", action="store_true", help="only without Redis")
    parser.add_argument(
        "--sabotage", choices=_SABOTAGES, default="", help="switch this off everywhere; ends when stale reads are found"
    )
    parser.add_argument("--seed", default="", help="repeat the choices of an earlier run (not its timing)")
    given = parser.parse_args()
    if given.no_redis and given.sabotage in _NEED_REDIS:
        parser.error(f"without Redis there is no {given.sabotage} to switch off")
    return given


def _both(given: argparse.Namespace) -> int:
    modes = ["--redis=server"] if given.sabotage in _NEED_REDIS else ["--redis=server", "--no-redis"]
    shared = ["--seconds", str(given.seconds / len(modes)), "--seed", given.seed]
    if given.sabotage:
        shared += ["--sabotage", given.sabotage]
    codes = []
    for mode in modes:
        # Settings are read once per process, so each mode has one.
        command = [sys.executable, "-m", "tests.prove", mode, *shared]
        with subprocess.Popen(command) as process:
            try:
                codes.append(process.wait())
            except BaseException:
                process.terminate()
                process.wait()
                raise
    if given.sabotage:
        # It counts as caught only if every mode has caught it.
        return min(codes, key=lambda code: code == 1)
    return max(codes, key=lambda code: (code == 1, code))


def _one(given: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    with Place(sabotage=given.sabotage, seed=given.seed) as place:
        redis = place.redis_start(given.redis) if given.redis else None
        os.environ.update(place.environment)
        import django

        django.setup()
        from tests.prove.cast import ActorFailedError
        from tests.prove.run import Run

        run = Run(
            place,
            redis=redis,
            seconds=given.seconds,
            sabotage=given.sabotage,
            seed=given.seed,
            console=console,
        )
        try:
            return run.play()
        except (ActorFailedError, ServerFailedError) as error:
            console.print(f"[red]proves nothing[/]: {escape(str(error))}")
            return _NOTHING_PROVED


def main() -> int:
    given = _arguments()
    given.seed = given.seed or secrets.token_hex(4)
    return guarded(lambda: _one(given) if given.redis or given.no_redis else _both(given))


if __name__ == "__main__":
    sys.exit(main())
