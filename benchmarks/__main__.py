"""`python -m benchmarks`: measure the cache beside its peers; exit 1 if a target of the baseline is no longer met."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import traceback

from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.place import Place
from benchmarks.report import Report
from benchmarks.sections import SECTIONS

_FAILED = 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the cache beside its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes: less than a minute")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="measure this part only (may be repeated)")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    failed = 0
    with Place() as place:
        os.environ.update(place.environment())
        import django

        django.setup()
        from django.core.management import call_command

        from benchmarks.world import world_create

        call_command("migrate", verbosity=0)
        world_create()
        report = Report(console)
        for name in SECTIONS:
            if given.section and name not in given.section:
                continue
            if importlib.util.find_spec(f"benchmarks.sections.{name}") is None:
                continue
            section = importlib.import_module(f"benchmarks.sections.{name}")
            bench = Bench(place, given.quick, say=errors.print)
            rows = []
            try:
                rows.extend(section.rows(bench))
            except Exception:
                traceback.print_exc()
                failed = _FAILED
            report.section(section.TITLE, rows)
        report.reasons()
    return failed


if __name__ == "__main__":
    sys.exit(main())
