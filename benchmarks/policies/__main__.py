"""`python -m benchmarks.policies --orders FILE`: a week through the cache with each policy; exit 1 if one is worse."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.place import Place
from benchmarks.policies.errors import NoOrders
from benchmarks.site import django_in

_ROOT: Final = Path(__file__).resolve().parents[2]
_PAGE: Final = _ROOT / "docs" / "policies.md"
_FILE: Final = _ROOT.parent / "shared" / "data" / "restaurant-1-orders.csv"
_WORSE: Final = 1
_CANNOT: Final = 2


def main(arguments: Sequence[str] | None = None, page_path: Path = _PAGE) -> int:
    """Play, print, and write the page if that is asked for; returns the exit code."""
    given = _given(arguments)
    with Place() as place, django_in(place):
        try:
            return run(given, page_path)
        except NoOrders as error:
            print(error, file=sys.stderr)  # noqa: T201 -- a program's answer
            return _CANNOT


def run(given: argparse.Namespace, page_path: Path) -> int:
    """Do what `main` does in the site that is set up."""
    # Imported here: models need a site.
    from benchmarks.policies.page import page
    from benchmarks.policies.run import policies_compare

    console = Console(highlight=False, width=160)
    began = time.perf_counter()
    comparison = policies_compare(
        file=given.orders,
        first=given.first,
        days=given.days,
        learn=given.learn,
        seed=given.seed,
        only=given.policy,
        told=lambda text: console.print(f"{time.perf_counter() - began:6.1f} s  {text}"),
    )
    headings, *rows = comparison.rows()
    table = Table(*headings)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for verdict in comparison.verdicts():
        console.print(verdict)
    faults = comparison.faults()
    if given.write_docs:
        command = "python -m benchmarks.policies --write-docs"
        page_path.write_text(page(comparison, command, datetime.now(UTC).date()), encoding="utf-8")
    return _WORSE if faults else 0


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.policies", description="Play a true week through the cache with each policy."
    )
    parser.add_argument("--orders", type=Path, default=_FILE, metavar="FILE", help="the file of orders (%(default)s)")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2019, 4, 29), help="first day (%(default)s)")
    parser.add_argument("--days", type=int, default=7, help="how many days are counted (%(default)s)")
    parser.add_argument("--learn", type=int, default=7, help="how many days are played before (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the habits (%(default)s)")
    parser.add_argument("--policy", action="append", help="only this one besides the fixed one; may be repeated")
    parser.add_argument("--write-docs", action="store_true", help="write docs/policies.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
