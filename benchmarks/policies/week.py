"""The orders of a file of true orders on some days, as an organisation of a scratch database and a script of writes."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from django.core.management import call_command

from benchmarks.policies.errors import NoOrders
from orders.models import Order
from restaurant.profiles.selectors import profile_required
from restaurant.replay.scratch import scratch_make, scratch_org_id
from restaurant.replay.script import Dish, Script, ScriptedOrder, script_write

__all__ = ["Week", "Write", "days_from", "orders_import", "week_open", "week_read", "zone_of_week"]

#: The organisation that the file is imported into; what is replayed is its scratch copy.
ORG: Final = "policies"
_DATES: Final = "%d/%m/%Y"
_DATE_COLUMN: Final = "Order Date"


class Write(NamedTuple):
    """What happens to an order (its index in the week) at a moment (seconds since 1970); None: to the settings."""

    at: float
    kind: str
    order: int | None


class Week(NamedTuple):
    """The orders of some days, oldest first, and all that is written on each day, in order of time."""

    orders: tuple[ScriptedOrder, ...]
    days: Mapping[date, tuple[Write, ...]]


def orders_import(file: Path, days: Sequence[date]) -> None:
    """Import the orders that the file has of these days, and make their organisation.

    Raises NoOrders when there is no such file, or nothing of those days in it.
    """
    wanted = {f"{day:{_DATES}}" for day in days}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header, *rows = csv.reader(lines)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise NoOrders(f"{file} cannot be read ({error}); name a file of orders with --orders.") from error
    if _DATE_COLUMN not in header:
        raise NoOrders(f"{file} has no column {_DATE_COLUMN!r}; name a file of orders with --orders.")
    column = header.index(_DATE_COLUMN)
    kept = [row for row in rows if len(row) > column and row[column].partition(" ")[0] in wanted]
    if not kept:
        raise NoOrders(f"{file} has no orders from {min(days)} to {max(days)}.")
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "orders.csv"
        with part.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerows([header, *kept])
        call_command("import_orders", part, org=ORG, skip_bad=True, stdout=StringIO(), stderr=StringIO())


def week_read(days: Sequence[date]) -> Week:
    """Return what took place on these days, by the rows that were imported."""
    orders: list[ScriptedOrder] = []
    written: dict[date, tuple[Write, ...]] = {}
    for day in days:
        script = script_write(org_id=ORG, day=day)
        first = len(orders)
        opening = _opening(day) if script.orders else datetime.fromtimestamp(0, UTC)
        written[day] = tuple(
            Write(
                (opening + event.at).timestamp(),
                str(event.kind),
                None if event.order is None else first + event.order,
            )
            for event in script.events
        )
        orders += script.orders
    return Week(tuple(orders), written)


def week_open(week: Week) -> tuple[str, Mapping[Dish, UUID]]:
    """Make the scratch organisation anew, as it was before the first day; returns its id and its menu."""
    menu = scratch_make(org_id=ORG, script=Script(orders=week.orders, events=()))
    return scratch_org_id(ORG), menu


def days_from(first: date, count: int) -> list[date]:
    """Return so many days, from the first on."""
    return [first + timedelta(days=number) for number in range(count)]


def zone_of_week() -> str:
    """Return the time zone in which the organisation lives."""
    return profile_required(org_id=ORG).time_zone


def _opening(day: date) -> datetime:
    # Scripts count from the first order that has lines, as they are written.
    rows = Order.objects.filter(org_id=ORG, placed_on=day, lines__isnull=False)
    placed_at: datetime = rows.order_by("placed_at", "number").values_list("placed_at", flat=True)[0]
    return placed_at
