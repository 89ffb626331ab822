"""Shows what the cache did, as a table or as JSON."""

from __future__ import annotations

import shutil
import sys
from io import StringIO
from typing import Any

import msgspec
from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from caching.display import fleet_notice, health, host_row, milliseconds
from caching.health import settle
from caching.management.operator import FELL_SHORT, OperatorCommand, add_json
from caching.reporting import CacheReport, RegionReport, cache_report

_NUMBERS = ("Requests", "Hit rate", "Target", "Local", "Redis", "Misses", "Access", "Entries", "Memory", "Nines")


class Command(OperatorCommand):
    help = (
        "Show the hit rates, times and sizes of every cache region, since the servers count. Ends with 0; with --check "
        "with 3 when a region misses its target."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_json(parser, "a table; what is of the command's own process stands under `command`")
        parser.add_argument(
            "--check", action="store_true", help="end with exit code 3 when a region's hit rate is below its target"
        )
        parser.add_argument(
            "--fleet", action="store_true", help="count all hosts, of which Redis knows; without it, this one"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        # The times to live are those of a process that hears other hosts, as servers do.
        settle()
        report = cache_report(scope="fleet" if options["fleet"] else "host", serving=False)
        if options["json"]:
            self.write_json(_as_document(report))
        else:
            self.stdout.write(self._as_table(report))
        if options["check"] and any(region.meets_target is False for region in report.regions):
            sys.exit(FELL_SHORT)

    def _as_table(self, report: CacheReport) -> str:
        whose = {
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
        for host in report.hosts:
            said = "{host}, {ago}: {requests} reads, {hit_rate} hits; Redis: {redis}; listener: {listener}."
            console.print(said.format_map(host_row(host)), markup=False, highlight=False)
        # The command's own listener has only just begun.
        sentences = health(msgspec.structs.replace(report, listener=None))
        for sentence in filter(None, (*sentences, fleet_notice(report))):
            console.print(sentence, markup=False, highlight=False)
        for region in report.regions:
            if region.ttl is not None and region.ttl.keys:
                console.print(f"{region.name}, times to live: {region.ttl.why}", markup=False, highlight=False)
            if region.consistency.violations:
                said = f"{region.name} has served old values: {region.consistency.sentence}."
                console.print(said, markup=False, highlight=False)
        text: str = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO given above
        return text.rstrip("\n")


def _as_document(report: CacheReport) -> dict[str, Any]:
    """Return the report, with what the command's own process alone can say apart from what is said of hosts."""
    document: dict[str, Any] = msgspec.to_builtins(report)
    document["command"] = {name: document.pop(name) for name in ("process", "breaker", "listener")}
    if document["outbox"] is not None:
        document["outbox"] = {name: document["outbox"][name] for name in ("depth", "oldest_seconds")}
    return document


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
