"""Shows what the cache did, as a table or as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from io import StringIO
from typing import Any

import msgspec
from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from caching.display import health, milliseconds
from caching.management.operator import FELL_SHORT, OperatorCommand
from caching.reporting import CacheReport, RegionReport, cache_report

_NUMBERS = ("Requests", "Hit rate", "Target", "Local", "Redis", "Misses", "Access", "Entries", "Memory", "Nines")


class Command(OperatorCommand):
    help = (
        "Show the hit rates, times and sizes of every cache region, since the servers count. Ends with 0; with --check "
        "with 3 when a region misses its target."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
        parser.add_argument(
            "--check", action="store_true", help="end with exit code 3 when a region's hit rate is below its target"
        )
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument(
            "--process", action="store_true", help="count this process only, not all processes of this host"
        )
        scope.add_argument(
            "--fleet", action="store_true", help="count all hosts, of which Redis knows; without it, this one"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        report = cache_report(scope="process" if options["process"] else "fleet" if options["fleet"] else "host")
        self.stdout.write(
            json.dumps(msgspec.to_builtins(report), indent=2) if options["json"] else self._as_table(report)
        )
        if options["check"] and any(region.meets_target is False for region in report.regions):
            sys.exit(FELL_SHORT)

    def _as_table(self, report: CacheReport) -> str:
        whose = {
            "process": f"process {report.process}",
            "host": f"host {report.host}",
            "fleet": f"{len(report.hosts)} host{'' if len(report.hosts) == 1 else 's'}",
        }[report.scope]
        tiers = " and ".join(
            name for name, used in (("local memory", report.local_memory), ("Redis", report.redis)) if used
        )
        table = Table(title=f"Cache of {whose}: {tiers or 'no tier in use'}", title_justify="left")
        table.add_column("Region", overflow="fold")
        for heading in _NUMBERS:
            table.add_column(heading, justify="right")
        for region in report.regions:
            table.add_row(region.name, *_numbers(region))
        terminal = self.stdout.isatty()
        # Not narrower than the table needs when the output is read by a file or a pipe.
        width = shutil.get_terminal_size().columns if terminal else 120
        console = Console(file=StringIO(), width=width, force_terminal=terminal)
        console.print(table)
        for sentence in health(report):
            console.print(sentence, markup=False, highlight=False)
        for region in report.regions:
            if region.ttl is not None and region.ttl.keys:
                console.print(f"{region.name}, times to live: {region.ttl.why}", markup=False, highlight=False)
            if region.consistency.violations:
                said = f"{region.name} has served old values: {region.consistency.sentence}."
                console.print(said, markup=False, highlight=False)
        text: str = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO given above
        return text.rstrip("\n")


def _numbers(region: RegionReport) -> tuple[str, ...]:
    figures = region.statistics
    rate = f"{figures['hit_rate']:.2%}" if figures["requests"] else "-"
    return (
        f"{figures['requests']:,}",
        f"[red]{rate} (low)[/red]" if region.meets_target is False else rate,
        "-" if region.target is None else f"{region.target:.0%}",
        f"{figures['local_hits']:,}",
        f"{figures['redis_hits']:,}",
        f"{figures['misses']:,}",
        milliseconds(figures["avg_access_ms"]),
        f"{figures['entries']:,}",
        f"{figures['bytes'] / 1024:,.0f} KB",
        "-" if region.consistency.nines is None else str(region.consistency.nines),
    )
