"""The parts of a replay, one thread each: two tills, the kitchen screen, the billing page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from billing.services import order_pay
from caching import MarkFailed
from orders.models import Order
from orders.services import LineDraft, order_change_status, order_create
from orders.statuses import Status
from restaurant.errors import ConflictError
from restaurant.profiles.services import profile_update
from restaurant.replay.gauge import Gauge, WriteLog
from restaurant.replay.patience import Patience
from restaurant.replay.reads import HABITS, Reads
from restaurant.replay.script import SETTINGS, Dish, Event, Script
from restaurant.replay.stage import Stage

KITCHEN: Final = "kitchen screen"
BILLING: Final = "billing page"
TILLS: Final = ("till 1", "till 2")

_RETRIES: Final = 3
_OF_THE_KITCHEN: Final = (Status.CONFIRMED, Status.PREPARING, Status.READY)


@dataclass(slots=True)
class Play:
    """What all parts share. `order_ids` grows as orders are placed; an order's own events never race for it."""

    org_id: str
    script: Script
    menu: Mapping[Dish, UUID]
    stage: Stage
    writes: WriteLog
    reads: Reads
    patience: Patience
    order_ids: dict[int, UUID] = field(default_factory=dict)
    #: The kinds of writes that were made again, because their mark could not be placed in Redis in time.
    retried: list[str] = field(default_factory=list)

    def status_of(self, order: int) -> str | None:
        """Return the status that an order of the script has in the database; None when it is not there."""
        stored = self.reads.order(self.order_ids[order]).stored() if order in self.order_ids else None
        return stored.status if stored is not None else None


class Part(ABC):
    """One thread: it performs its own events, and a follower reads after all of them."""

    is_follower = False

    def __init__(self, name: str, play: Play, gauge: Gauge) -> None:
        self.name = name
        self.gauge = gauge
        self.play = play

    @abstractmethod
    def performs(self, event: Event) -> bool:
        """Tell whether the event is this part's to make."""

    def look_around(self, event: Event) -> None:  # noqa: B027 - a part may have nothing to show there
        """Read what the screen shows after any event; nothing unless a part says otherwise."""

    def look_at(self, order: int) -> None:  # noqa: B027 - the same
        """Read what the screen shows of the order that an event is about; the same."""

    def _look(self, event: Event) -> None:
        persist = self.play.patience.persist
        persist(lambda _: self.look_around(event))
        if event.order is not None:
            order = event.order
            persist(lambda _: self.look_at(order))

    def run(self) -> None:
        """Play the whole script; raises StoppedError, and whatever a service or a read raises."""
        stage = self.play.stage
        with self.gauge.counting():
            for event in self.play.script.events:
                if self.performs(event):
                    stage.await_turn(event)
                    self._perform_patiently(event)
                    stage.perform(event)
                    self._look(event)
                elif self.is_follower:
                    stage.await_event(event)
                    self._look(event)
                if self.is_follower:
                    stage.follow(self.name, event)

    def _perform_patiently(self, event: Event) -> None:
        """Do as every client should: send a write that was rolled back for want of Redis (503) again."""
        for _ in range(_RETRIES):
            try:
                return self.play.patience.persist(partial(self._perform_once, event))
            except MarkFailed:
                self.play.retried.append(event.kind)
        return self.play.patience.persist(partial(self._perform_once, event))

    def _perform_once(self, event: Event, again: bool) -> None:
        try:
            with self.play.writes.writing():
                self._perform(event)
        except ConflictError:
            # The commit whose answer was lost has taken place, and what has been done cannot be done twice.
            if not (again and event.order is not None and self.play.status_of(event.order) == event.kind):
                raise

    def _perform(self, event: Event) -> None:
        play = self.play
        if event.order is None:
            profile_update(org_id=play.org_id, updates={"order_lead_minutes": 45})
        elif event.kind == Status.PENDING:
            play.order_ids[event.order] = self._place(event.order).pk
        elif event.kind == Status.PAID:
            order_pay(
                org_id=play.org_id,
                order_id=play.order_ids[event.order],
                method=play.script.orders[event.order].method,
                idempotency_key=f"replay-{event.order}",
            )
        else:
            order_change_status(org_id=play.org_id, order_id=play.order_ids[event.order], status=event.kind)

    def _place(self, index: int) -> Order:
        play = self.play
        scripted = play.script.orders[index]
        order, _ = order_create(
            org_id=play.org_id,
            lines=[LineDraft(play.menu[dish], quantity) for dish, quantity in scripted.dishes],
            service=scripted.service,
            customer_phone=scripted.phone,
            table="1" if scripted.service == Order.Service.TABLE else "",
            delivery_address="1 Replay Street" if scripted.service == Order.Service.DELIVERY else "",
            discount=scripted.discount,
            idempotency_key=f"replay-{index}",
        )
        return order


class Till(Part):
    """Places, serves and cashes every other order."""

    def performs(self, event: Event) -> bool:
        is_mine = event.order is not None and TILLS[event.order % len(TILLS)] == self.name
        return is_mine and event.kind not in _OF_THE_KITCHEN

    def look_at(self, order: int) -> None:
        read, reads, order_id = self.gauge.read, self.play.reads, self.play.order_ids[order]
        read(reads.profile_lite(), HABITS.till_profile_lite)
        read(reads.order(order_id), HABITS.till_order)
        read(reads.first_page(), HABITS.till_orders_page)
        read(reads.bill(order_id), HABITS.till_bill)
        if phone := self.play.script.orders[order].phone:
            read(reads.balance(phone), HABITS.till_balance)


class KitchenScreen(Part):
    """Moves orders on, and shows what is to be done."""

    is_follower = True

    def performs(self, event: Event) -> bool:
        return event.kind in _OF_THE_KITCHEN

    def look_around(self, event: Event) -> None:  # noqa: ARG002 - the base class's signature
        self.gauge.read(self.play.reads.active_list(), HABITS.kitchen_active_list)

    def look_at(self, order: int) -> None:
        self.gauge.read(self.play.reads.order(self.play.order_ids[order]), HABITS.kitchen_order)


class BillingPage(Part):
    """Shows the day's business and what recent customers owe; the manager at it changes the settings once."""

    is_follower = True

    def performs(self, event: Event) -> bool:
        return event.kind == SETTINGS

    def look_around(self, event: Event) -> None:
        read, reads = self.gauge.read, self.play.reads
        read(reads.summary(), HABITS.billing_summary)
        read(reads.profile(), HABITS.billing_profile)
        for phone in self._phones_seen(event):
            read(reads.balance(phone))

    def _phones_seen(self, event: Event) -> list[str]:
        orders = self.play.script.orders
        so_far = [each.order for each in self.play.script.events[: event.index + 1] if each.order is not None]
        seen = dict.fromkeys(orders[order].phone for order in reversed(so_far) if orders[order].phone)
        return list(seen)[: HABITS.billing_balances]


def cast_make(play: Play) -> list[Part]:
    """Return the parts, each with a gauge of its own."""
    kinds: dict[str, type[Part]] = {**dict.fromkeys(TILLS, Till), KITCHEN: KitchenScreen, BILLING: BillingPage}
    return [kind(name, play, Gauge(play.writes, seed=seed)) for seed, (name, kind) in enumerate(kinds.items())]
