"""What the screens, guests and offices of a restaurant read, and when: what a replay reads, and its documents say."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from benchmarks.policies.week import Week, Write
from orders.cached import DEFAULT_PAGE_SIZE
from orders.statuses import Status

__all__ = ["HABITS", "Look", "looks_of_day"]

#: Who reads what, and how often; shown in the documents as it stands here.
HABITS: Final = (
    ("Kitchen screen", "the active orders every 15 s while open; an order 3 to 20 s after each of its steps there"),
    ("Pass", "the orders that are ready every 30 s while open"),
    ("Two tills", "profile and settings at opening; the first page of orders every 60 to 120 s each; settings and lite "
     "profile before an order is placed; the order and the first page after each of its changes"),
    ("Payment", "20 to 60 s before it: the order, 2 to 8 s later its bill, 2 to 8 s later the customer's balance; the "
     "bill again for the receipt"),
    ("Guests", "every other order is looked at every 100 to 200 s from its confirmation until it is ready"),
    ("Website", "the lite profile every 3 min by day and every 20 min by night, on average; every fifth time settings, "
     "every tenth the whole profile"),
    ("Owner", "the day's summary every hour, and every 10 min of the last one; after closing 10 orders of the day, "
     "each with its bill and balance"),
    ("Accounts", "on the next morning every order of the day before, its bill, and each customer's balance"),
)  # fmt: skip

_OPENS: Final = time(16, 30)
_CLOSES: Final = time(23, 0)
_BY_DAY: Final = (time(10, 0), time(23, 0))
_ACCOUNTS_AT: Final = time(9, 30)


class Look(NamedTuple):
    """One read at a moment (seconds since 1970): the region, and the parts of the key.

    Of an order `order` is its index in the week, whose id stands in the place of the first part; so for the phone of
    the customer who ordered, with a balance.
    """

    at: float
    region: str
    parts: tuple[object, ...] = ()
    order: int | None = None


class _Day(NamedTuple):
    week: Week
    day: date
    zone: ZoneInfo
    writes: Sequence[Write]
    opens: float
    closes: float
    chance: random.Random

    def moment(self, at: time) -> float:
        return datetime.combine(self.day, at, self.zone).timestamp()

    def every(self, least: float, most: float, begins: float, ends: float) -> Iterator[float]:
        """Return moments, each between so many seconds after the one before."""
        at = begins + self.chance.uniform(0, most)
        while at < ends:
            yield at
            at += self.chance.uniform(least, most)


def looks_of_day(week: Week, day: date, zone: str, seed: int) -> list[Look]:
    """Return all that is read on a day, in order of time; the same for the same seed."""
    chance = random.Random(f"{seed} {day}")  # noqa: S311 -- the same reads each time, which is no secret
    local = ZoneInfo(zone)
    writes = week.days[day]
    opens = datetime.combine(day, _OPENS, local).timestamp()
    closes = datetime.combine(day, _CLOSES, local).timestamp()
    if writes:
        opens, closes = min(opens, writes[0].at - 1800), max(closes, writes[-1].at + 600)
    today = _Day(week, day, local, writes, opens, closes, chance)
    looks = [*_kitchen(today), *_tills(today), *_payments(today), *_guests(today), *_website(today)]
    looks += [*_owner(today), *_accounts(today)]
    return sorted(looks, key=lambda look: look.at)


def _kitchen(day: _Day) -> Iterator[Look]:
    yield from (Look(at, "active_orders") for at in day.every(15, 15, day.opens, day.closes))
    yield from (Look(at, "orders_by_status", (str(Status.READY),)) for at in day.every(30, 30, day.opens, day.closes))
    for write in day.writes:
        if write.kind in (Status.CONFIRMED, Status.PREPARING, Status.READY):
            yield Look(write.at + day.chance.uniform(3, 20), "order", order=write.order)


def _tills(day: _Day) -> Iterator[Look]:
    page = (1, DEFAULT_PAGE_SIZE)
    for _ in range(2):
        yield from (Look(day.opens + day.chance.uniform(0, 60), name) for name in ("profile", "business_settings"))
        yield from (Look(at, "orders_page", page) for at in day.every(60, 120, day.opens, day.closes))
    for write in day.writes:
        if write.order is None:
            continue
        if write.kind == Status.PENDING:
            before = write.at - day.chance.uniform(5, 30)
            yield from (Look(before, "business_settings"), Look(before, "profile_lite"))
        after = write.at + day.chance.uniform(0.5, 4)
        yield from (Look(after, "order", order=write.order), Look(after + 1, "orders_page", page))


def _payments(day: _Day) -> Iterator[Look]:
    for write in day.writes:
        if write.kind == Status.PAID:
            yield from _with_bill(day, write.at - day.chance.uniform(20, 60), write.order)
            yield Look(write.at + day.chance.uniform(1, 6), "bill_total", order=write.order)


def _with_bill(day: _Day, at: float, order: int | None) -> Iterator[Look]:
    yield Look(at, "order", order=order)
    at += day.chance.uniform(2, 8)
    yield Look(at, "bill_total", order=order)
    if order is not None and day.week.orders[order].phone:
        yield Look(at + day.chance.uniform(2, 8), "customer_balance", order=order)


def _guests(day: _Day) -> Iterator[Look]:
    ready = {write.order: write.at for write in day.writes if write.kind == Status.READY}
    for write in day.writes:
        if write.kind == Status.CONFIRMED and write.order in ready and write.order is not None and write.order % 2:
            yield from (
                Look(at, "order", order=write.order) for at in day.every(100, 200, write.at, ready[write.order])
            )


def _website(day: _Day) -> Iterator[Look]:
    at, ends = day.moment(time(0, 0)), day.moment(time(0, 0)) + 86_400
    begins_day, ends_day = (day.moment(each) for each in _BY_DAY)
    while True:
        at += day.chance.expovariate(1 / (180 if begins_day <= at < ends_day else 1200))
        if at >= ends:
            return
        yield Look(at, "profile_lite")
        for name, share in (("business_settings", 0.2), ("profile", 0.1)):
            if day.chance.random() < share:
                yield Look(at + 1, name)


def _owner(day: _Day) -> Iterator[Look]:
    for begins, ends, step in ((day.opens, day.closes, 3600), (day.closes - 3600, day.closes, 600)):
        for at in day.every(step * 0.9, step * 1.1, begins, ends):
            yield Look(at, "billing_summary", (day.day,))
    placed = _placed(day.writes)
    at = day.closes + 60
    for order in day.chance.sample(placed, min(10, len(placed))):
        yield from _with_bill(day, at, order)
        at += day.chance.uniform(20, 60)


def _accounts(day: _Day) -> Iterator[Look]:
    yesterday = day.day - timedelta(days=1)
    at = day.moment(_ACCOUNTS_AT)
    if day.week.days.get(yesterday):
        yield Look(at, "billing_summary", (yesterday,))
    for order in _placed(day.week.days.get(yesterday, ())):
        at += day.chance.uniform(15, 45)
        yield from _with_bill(day, at, order)


def _placed(writes: Sequence[Write]) -> list[int]:
    return [write.order for write in writes if write.kind == Status.PENDING and write.order is not None]
