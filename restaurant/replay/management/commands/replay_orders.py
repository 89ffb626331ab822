"""Replays a day's orders as a restaurant's day and says whether the cache met its targets."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from django.db.models import Max, Min
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from caching import CachingError
from caching.management.operator import FELL_SHORT, ORG_HELP, OperatorCommand, add_json
from caching.organisations import organisation_meant
from caching.runtime import runtime
from orders.models import Order
from restaurant.errors import DomainError
from restaurant.replay.report import report_json, report_lines, report_make, report_table
from restaurant.replay.scratch import NotScratchError
from restaurant.replay.script import script_write
from restaurant.replay.services import PATIENCE_SECONDS, replay_run

_INTERRUPTED: Final = 130


class Command(OperatorCommand):
    help = (
        "Replay the orders of one day, in a scratch organisation and through the services, on threads standing for "
        "two tills, the kitchen screen and the billing page; print hit rates against their targets. Ends with 0 "
        "when all are met, with 3 when one is missed, a read was stale or an order is lost, with 1 when there was no "
        "replay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--org", required=True, help=f"the organisation whose orders are replayed, {ORG_HELP}; it is only read"
        )
        parser.add_argument("--date", required=True, type=_day, metavar="YYYY-MM-DD", help="the local day to replay")
        parser.add_argument(
            "--speed", type=float, metavar="N", help="N times as fast as the day was; unless given, as fast as possible"
        )
        parser.add_argument(
            "--patience",
            type=_seconds,
            default=PATIENCE_SECONDS,
            metavar="SECONDS",
            help="for how long a database that went away is waited for (default: %(default)g; 0: it ends the replay)",
        )
        add_json(parser, "a table")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        day, speed = options["date"], options["speed"]
        if speed is not None and not 0 < speed < float("inf"):
            raise CommandError("The speed must be more than 0, such as 60 for an hour a minute.")
        org_id = organisation_meant(options["org"])
        script = script_write(org_id=org_id, day=day)
        if not script.orders:
            raise CommandError(_nothing_to_replay(org_id, day))
        console = Console(stderr=True)
        columns = (
            TextColumn("Replaying"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("events"),
            TimeElapsedColumn(),
        )
        try:
            with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
                task = progress.add_task("", total=len(script.events))
                result = replay_run(
                    org_id=org_id,
                    script=script,
                    speed=speed,
                    patience=options["patience"],
                    advance=lambda done: progress.update(task, completed=done),
                )
        except KeyboardInterrupt:
            raise CommandError("Stopped before the end of the day.", returncode=_INTERRUPTED) from None
        except (CachingError, DatabaseError, DomainError, NotScratchError) as error:
            raise CommandError(f"The replay failed: {error}") from error
        report = report_make(result, with_redis=runtime.redis is not None)
        if options["json"]:
            self.write_json(report_json(report))
        else:
            wide = Console(width=120)
            with wide.capture() as table:
                wide.print(report_table(report))
            for line in (table.get(), *report_lines(report)):
                self.stdout.write(line)
        if not report.passes:
            raise CommandError(
                "A target was missed, a read was stale or an order is lost; see above.", returncode=FELL_SHORT
            )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day; write it like 2019-05-18") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds; write 0 or more, like 60")
    return seconds


def _nothing_to_replay(org_id: str, day: date) -> str:
    days = Order.objects.filter(org_id=org_id).aggregate(first=Min("placed_on"), last=Max("placed_on"))
    if days["first"] is None:
        return f"{org_id!r} has no orders yet."
    return f"{org_id!r} has no orders of {day}; there are some between {days['first']} and {days['last']}."
