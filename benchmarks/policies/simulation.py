"""Plays a week in simulated time through the real cache, and compares every single read with the database."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final
from unittest import mock
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from benchmarks.policies.habits import Look, looks_of_day
from benchmarks.policies.week import Week, Write, week_open, zone_of_week
from billing.services import order_pay
from caching import regions
from caching.clock import Clock
from caching.registry import registry
from caching.runtime import runtime
from orders.models import Order
from orders.services import LineDraft, order_change_status, order_create
from orders.statuses import Status
from restaurant.profiles.services import profile_update
from restaurant.replay.script import Dish

__all__ = ["GROUPS", "Outcome", "Plan", "simulate"]

#: Of which kind of reads a region is, as the specification's targets name them.
GROUPS: Final = {
    "profile": "profile", "profile_lite": "profile", "business_settings": "profile",
    "order": "orders", "active_orders": "orders", "orders_by_status": "orders", "orders_page": "orders",
    "bill_total": "billing", "billing_summary": "billing",
    "customer_balance": "balance",
}  # fmt: skip

# The observer goes its rounds every second. Here that is done where it may matter, within a second after a read or a
# write, and once a minute else; screens that only ask again and again bring nothing on.
_ROUND_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 60.0
_POLLED: Final = ("active_orders", "orders_by_status")


class Plan(msgspec.Struct, frozen=True):
    """What is played: the week, the days that are counted, and those before, from which a policy may learn."""

    week: Week
    learnt: Sequence[date]
    counted: Sequence[date]
    seed: int


class Outcome(msgspec.Struct):
    """What came of one policy, over the counted days.

    `reads` and `hits` (answered without a query) are by group. `queries` are those of reads, `background` those made
    between them for nobody in particular. `stale` reads were not what the database had; all were compared.
    `held` are the values that local memory held, on average over time; `prefetched` those loaded ahead,
    `used` how many of these somebody asked for.
    """

    policy: str
    reads: Counter[str]
    hits: Counter[str]
    queries: int = 0
    background: int = 0
    stale: int = 0
    held: float = 0.0
    prefetched: int = 0
    used: int = 0

    def hit_rate(self, group: str | None = None) -> float:
        """Return the share of reads without a query, 0 to 1, of one group or of all."""
        hits, reads = (self.hits, self.reads)
        if group is not None:
            return hits[group] / reads[group] if reads[group] else 0.0
        return hits.total() / reads.total() if reads.total() else 0.0


class _Time(Clock):
    """A clock that stands where it is put; waiting moves it on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(now=lambda: self.seconds, wall=lambda: self.seconds, sleep=self.pass_by)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds

    def today(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


def simulate(policy: str, options: Mapping[str, Any], plan: Plan) -> Outcome:
    """Play the plan with these options of `settings.CACHING`; the scratch organisation is made anew for it.

    Without Redis, whose time cannot be moved, and without threads, so that it goes the same each time.
    """
    given = {
        **settings.CACHING,
        "REDIS_ALIAS": None,
        "BACKGROUND": False,
        # What is read and written for operators is no policy's.
        "AUDIT_RATE": 0.0,
        "HISTORY": None,
        "HOT_KEYS": 0,
        **options,
    }
    clock = _Time(0.0)
    with (
        override_settings(CACHING=given),
        mock.patch.object(timezone, "now", clock.today),
        # In simulated time a load takes none, so nothing is loaded anew before its end for the time that it takes.
        mock.patch.object(regions, "lead", return_value=0.0),
    ):
        runtime.reset()
        before = vars(runtime).get("clock")
        runtime.clock = clock
        try:
            return _Simulation(policy, plan, clock).play()
        finally:
            runtime.reset()
            del runtime.clock
            if before is not None:
                runtime.clock = before


class _Simulation:
    def __init__(self, policy: str, plan: Plan, clock: _Time) -> None:
        self._plan = plan
        self._clock = clock
        zone = zone_of_week()
        days = (*plan.learnt, *plan.counted)
        looks = [look for day in days for look in looks_of_day(plan.week, day, zone, plan.seed)]
        writes = [write for day in days for write in plan.week.days[day]]
        moments: Iterator[Look | Write] = heapq.merge(sorted(looks, key=_at), sorted(writes, key=_at), key=_at)
        self._moments = list(moments)
        self._counted_from = min(look.at for look in looks_of_day(plan.week, plan.counted[0], zone, plan.seed))
        clock.seconds = self._moments[0].at - 1
        self._org, self._menu = week_open(plan.week)
        self._ids: dict[int, UUID] = {}
        self._truths: dict[tuple[object, ...], Any] = {}
        self._queries = 0
        self._next_round = clock.seconds
        self._measure_again = clock.seconds
        self._held: list[int] = []
        self._updates = 0
        self._is_counting = False
        self._outcome = Outcome(policy, Counter(), Counter())

    def play(self) -> Outcome:
        ahead: Counter[str] = Counter()
        for moment in self._moments:
            if not self._is_counting and moment.at >= self._counted_from:
                self._is_counting, ahead = True, _ahead()
                self._outcome = Outcome(self._outcome.policy, Counter(), Counter())
                self._held = []
            self._pass_time(moment.at)
            if isinstance(moment, Write):
                self._write(moment)
            else:
                self._look(moment)
            if not (isinstance(moment, Look) and moment.region in _POLLED):
                self._next_round = min(self._next_round, moment.at + _ROUND_SECONDS)
        outcome = self._outcome
        outcome.held = sum(self._held) / len(self._held) if self._held else 0.0
        loaded = _ahead() - ahead
        outcome.prefetched, outcome.used = loaded["prefetched"], loaded["prefetch_hits"]
        return outcome

    def _pass_time(self, until: float) -> None:
        """Let the observer go its rounds until then."""
        while self._next_round <= until:
            self._clock.seconds = self._next_round
            with self._counting() as queries:
                runtime.observer.tick()
            self._outcome.background += queries()
            self._next_round = self._clock.seconds + _IDLE_SECONDS
            if self._clock.seconds >= self._measure_again:
                self._measure_again = self._clock.seconds + _IDLE_SECONDS
                numbers = runtime.statistics.process().values()
                self._held.append(sum(each["entries"] for each in numbers))
        self._clock.seconds = until

    # --- reading ------------------------------------------------------------------------------------------------------

    def _look(self, look: Look) -> None:
        parts = self._parts(look)
        if parts is None:
            return
        region, group = registry.get(look.region), GROUPS[look.region]
        with self._counting() as queries:
            found = region.get(self._org, *parts)
        outcome = self._outcome
        outcome.reads[group] += 1
        outcome.hits[group] += not queries()
        outcome.queries += queries()
        if not self._is_counting:
            return
        # Nobody but this replay writes: between two writes the database says the same.
        name = (look.region, *parts)
        if name not in self._truths:
            self._truths[name] = region.get(self._org, *parts, use_cache=False)
        outcome.stale += found != self._truths[name]

    def _parts(self, look: Look) -> tuple[Any, ...] | None:
        if look.order is None:
            return look.parts
        if look.region == "customer_balance":
            return (self._plan.week.orders[look.order].phone,)
        # Who looks at an order that was not placed in this replay finds nothing to look at.
        order_id = self._ids.get(look.order)
        return None if order_id is None else (order_id,)

    @contextmanager
    def _counting(self) -> Iterator[Callable[[], int]]:
        before = self._queries
        with connection.execute_wrapper(self._count):
            yield lambda: self._queries - before

    def _count(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        # What the cache writes down about itself, for operators, is no load.
        self._queries += sql.startswith("SELECT") and '"caching_' not in sql
        return execute(sql, *args)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write(self, write: Write) -> None:
        self._truths.clear()
        org = self._org
        if write.order is None:
            self._updates += 1
            profile_update(org_id=org, updates={"order_lead_minutes": 30 + self._updates % 30})
        elif write.kind == Status.PENDING:
            self._ids[write.order] = self._place(write.order).pk
        elif write.kind == Status.PAID:
            order_pay(
                org_id=org,
                order_id=self._ids[write.order],
                method=self._plan.week.orders[write.order].method,
                idempotency_key=f"policies-{write.order}",
            )
        else:
            order_change_status(org_id=org, order_id=self._ids[write.order], status=write.kind)

    def _place(self, index: int) -> Order:
        scripted = self._plan.week.orders[index]
        menu: Mapping[Dish, UUID] = self._menu
        placed, _ = order_create(
            org_id=self._org,
            lines=[LineDraft(menu[dish], quantity) for dish, quantity in scripted.dishes],
            service=scripted.service,
            customer_phone=scripted.phone,
            table="1" if scripted.service == Order.Service.TABLE else "",
            delivery_address="1 Replay Street" if scripted.service == Order.Service.DELIVERY else "",
            discount=scripted.discount,
            idempotency_key=f"policies-{index}",
        )
        return placed


def _at(moment: Look | Write) -> float:
    return moment.at


def _ahead() -> Counter[str]:
    numbers = runtime.statistics.process().values()
    return Counter({name: sum(each[name] for each in numbers) for name in ("prefetched", "prefetch_hits")})
