"""Reports what the caches did over a time: for people, for spreadsheets and for scripts."""

from __future__ import annotations

import csv
import shutil
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, Final

from django.core.management.base import CommandParser
from rich.console import Console
from rich.table import Table

from caching.display import milliseconds
from caching.management.operator import FELL_SHORT, ORG_HELP, OperatorCommand
from caching.organisations import organisation_meant
from caching.periods import BadPeriod, as_datetime, minute_now, moment
from caching.reports import USUAL_SECONDS, UsageReport, report
from caching.tallies import OrgUsage, RegionUsage

_COLUMNS: Final = tuple(name for name in RegionUsage.__struct_fields__ if name not in {"region", "label"})
# A spreadsheet takes what begins so for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_WHEN: Final = "a date, a date and a time, or how long ago: 90m, 24h, 7d"


class Command(OperatorCommand):
    help = (
        "Report hit rates against their targets, what the database was spared, who does worst, and what to do about "
        "it. Ends with 0 when all targets are met, with 3 when one is missed, with 1 or 2 when the call was wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="since", metavar="WHEN", help=f"since when ({_WHEN}); 24h unless given")
        parser.add_argument("--to", dest="until", metavar="WHEN", help="until when, not included; now unless given")
        parser.add_argument("--region", metavar="R", help="report only this region")
        parser.add_argument(
            "--org",
            metavar="ORG",
            help=f"report only this organisation, {ORG_HELP}, as far as it was among the busiest",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--format", choices=("table", "csv", "json"), default="table", help="how to write it")
        how.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")

    def handle(self, *_: Any, **options: Any) -> None:
        since, until = (None if options[each] is None else moment(options[each]) for each in ("since", "until"))
        now = as_datetime(minute_now())
        if since is not None and since >= min(until or now, now):
            raise BadPeriod("There is nothing between these times: --from must be before --to, and before now.")
        org = None if options["org"] is None else organisation_meant(options["org"])
        made = report(region=options["region"], org=org, since=since, until=until)
        if options["format"] == "table":
            until = until or now
            self.stdout.write(self._as_table(made, since or until - timedelta(seconds=USUAL_SECONDS), until))
        elif options["format"] == "json":
            self.write_json(made)
        else:
            self.stdout.write(_as_csv(made))
        if made.missed_targets:
            sys.exit(FELL_SHORT)

    def _as_table(self, made: UsageReport, since: datetime, until: datetime) -> str:
        terminal = self.stdout.isatty()
        # Not narrower than the table needs when the output is read by a file or a pipe.
        width = shutil.get_terminal_size().columns if terminal else 140
        console = Console(file=StringIO(), width=width, force_terminal=terminal)
        title = _title(made, since, until)
        if made.regions:
            console.print(_regions(made, title))
        else:
            console.print(title, markup=False, highlight=False)
        for title, orgs in (("Busiest organisations", made.busiest_orgs), ("Fewest hits", made.worst_orgs)):
            if orgs:
                console.print(_orgs(title, orgs))
        for sentence in _sentences(made):
            console.print(sentence, markup=False, highlight=False)
        text: str = console.file.getvalue()  # type: ignore[attr-defined] # the StringIO given above
        return text.rstrip("\n")


def _as_csv(made: UsageReport) -> str:
    """One line for each region, for all of them (`all`) and for each of the busiest organisations."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("since", "until", "region", "org", *_COLUMNS))
    times = (made.since.isoformat(), made.until.isoformat())
    for usage in (*made.regions, *([made.total] if made.total is not None else [])):
        figures = [getattr(usage, name) for name in _COLUMNS]
        writer.writerow(map(_cell, (*times, usage.region or "all", made.org, *figures)))
    for org in made.busiest_orgs:
        figures = [getattr(org, name, None) for name in _COLUMNS]
        writer.writerow(map(_cell, (*times, made.region or "all", org.org, *figures)))
    return text.getvalue().rstrip("\n")


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _title(made: UsageReport, since: datetime, until: datetime) -> str:
    """Return what was asked for: the whole hours or days that hold it may not be over yet."""
    whose = f" of {made.org}" if made.org else ""
    asked = " to ".join(f"{each.astimezone(UTC):%Y-%m-%d %H:%M}" for each in (since, until))
    return f"Caches{whose}, {asked} UTC, by whole {made.step}s"


def _regions(made: UsageReport, title: str) -> Table:
    # Not markup, whatever an organisation is called.
    table = Table(title=title.replace("[", r"\["), title_justify="left")
    table.add_column("Region", overflow="fold")
    for heading in ("Reads", "Hit rate", "Target", "Local", "Redis", "Miss", "Loads", "Queries saved", "Time saved"):
        table.add_column(heading, justify="right")
    for usage in made.regions:
        table.add_row(*_row(usage))
    if made.total is not None and len(made.regions) > 1:
        table.add_section()
        table.add_row(*_row(made.total))
    return table


def _row(usage: RegionUsage) -> tuple[str, ...]:
    rate = _rate(usage.hit_rate)
    return (
        usage.region or "all",
        f"{usage.requests:,}",
        f"[red]{rate} (low)[/red]" if usage.meets_target is False else rate,
        "-" if usage.target is None else f"{usage.target:.0%}",
        milliseconds(usage.avg_local_ms or 0.0),
        milliseconds(usage.avg_redis_ms or 0.0),
        milliseconds(usage.avg_miss_ms or 0.0),
        f"{usage.loads:,}",
        f"{usage.queries_saved:,}",
        _saved(usage),
    )


def _orgs(title: str, orgs: tuple[OrgUsage, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("Organisation", overflow="fold")
    for heading in ("Reads", "Hit rate", "Misses", "Time saved"):
        table.add_column(heading, justify="right")
    for org in orgs:
        table.add_row(
            # Not markup, whatever it is called.
            org.org.replace("[", r"\["),
            f"{org.requests:,}",
            _rate(org.hit_rate),
            f"{org.misses:,}",
            _saved(org),
        )
    return table


def _saved(usage: RegionUsage | OrgUsage) -> str:
    return "-" if usage.database_ms_saved is None else f"{usage.database_ms_saved / 1000:,.1f} s"


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2%}"


def _sentences(made: UsageReport) -> list[str]:
    said = []
    if not made.kept:
        said.append("No history is kept: CACHING['HISTORY'] is off.")
    elif made.total is None or not made.total.requests:
        said.append("Nothing was read in this time. Servers write history while they run, a minute late.")
    if made.missed_targets:
        said.append(f"Below target: {', '.join(made.missed_targets)}.")
    for each in made.advice:
        said += [f"* {each.cause}", f"  {each.remedy}"]
    if made.preset.better is not None:
        said.append(f"* The preset {made.preset.better!r} fits better: {made.preset.why}.")
    return said
