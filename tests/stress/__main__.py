"""`python -m tests.stress`: violence; the protocol must show nothing stale, and a broken variant of it something."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from typing import Final

from rich.console import Console
from rich.markup import escape

from tests.prove.guard import guarded
from tests.prove.processes import Place
from tests.prove.shapes import redis_option

_FRESH: Final = 0
_STALE: Final = 1
_NOTHING_PROVED: Final = 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress",
        description="Kill, stop and starve readers and writers, and look for stale reads; then do the same with the "
        "mark switched off, which must show some. The players audit their hits: they may raise no false alarm, and must"
        " raise one where nothing is invalidated. Exit 0 if all is so, 1 if not, 2 if too little happened to tell.",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, for all modes together (default 60)")
    modes = parser.add_mutually_exclusive_group()
    redis_option(modes)
    modes.add_argument("--no-redis", action="store_true", help="only without Redis")
    parser.add_argument("--kills", type=int, default=0, help="instead, kill so many writers, each within one write")
    parser.add_argument("--sabotage", default="mark", help="what the broken variant lacks (default: the mark)")
    parser.add_argument("--broken-seconds", type=float, default=60.0, help="how long the latter may take (default 60)")
    parser.add_argument("--seed", default="", help="repeat the choices of an earlier run (not its timing)")
    return parser.parse_args()


def _run(given: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    with Place(sabotage="", seed=given.seed) as place:
        redis = None if given.no_redis else place.redis_start(given.redis or "server")
        os.environ.update(place.environment)
        import django

        django.setup()
        from tests.prove.cast import ActorFailedError
        from tests.stress.run import Run

        run = Run(place, seed=given.seed, broken_seconds=given.broken_seconds, console=console)
        console.print(f"seed {given.seed}")
        modes = [each for each, left_out in ((redis, given.no_redis), (None, given.redis)) if not left_out]
        try:
            if given.kills:
                return max(run.kills(given.kills, redis=each, sabotage=given.sabotage) for each in modes)
            return max(run.stress(given.seconds / len(modes), redis=each, sabotage=given.sabotage) for each in modes)
        except ActorFailedError as error:
            console.print(f"[red]proves nothing[/]: {escape(str(error))}")
            return _NOTHING_PROVED


def main() -> int:
    given = _arguments()
    given.seed = given.seed or secrets.token_hex(4)
    return guarded(lambda: _run(given))


if __name__ == "__main__":
    sys.exit(main())
