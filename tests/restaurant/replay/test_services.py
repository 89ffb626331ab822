"""A whole small day: everything happens, what fails ends it, and a broken cache is found out."""

import threading
from typing import Any

import pytest
from django.db import OperationalError

from billing.models import Bill, LedgerEntry, Payment
from caching.invalidation import Invalidation
from orders.models import Order
from orders.statuses import Status
from restaurant.profiles.models import BusinessProfile
from restaurant.replay import cast, services
from restaurant.replay.cast import Play
from restaurant.replay.gauge import Gauge
from restaurant.replay.script import Script, script_write
from restaurant.replay.services import ReplayResult, replay_run
from tests.restaurant.replay.days import DAY, day_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def script() -> Script:
    return script_write(org_id=day_make().pk, day=DAY)


def replay(script: Script, **options: Any) -> ReplayResult:
    return replay_run(org_id="true-one", script=script, **options)


def test_every_order_is_placed_and_paid_in_the_scratch_organisation_alone(script: Script) -> None:
    before = list(Order.objects.filter(org="true-one").order_by("number").values())

    replay(script)

    replayed = Order.objects.filter(org="true-one-replay")
    assert [order.status for order in replayed] == [Status.PAID] * 3
    assert Payment.objects.filter(org="true-one-replay").count() == Bill.objects.count() == 3
    assert BusinessProfile.objects.get(pk="true-one-replay").order_lead_minutes == 45
    assert set(LedgerEntry.objects.values_list("customer__phone", flat=True)) == set(script.phones)
    assert list(Order.objects.filter(org="true-one").order_by("number").values()) == before


def test_nothing_is_stale_and_nothing_undecided_in_the_end(script: Script, tiers: str) -> None:
    result = replay(script)

    assert result.stale == ()
    assert len(result.compared) > 50
    assert {each.group for each in result.observations} == {"profile", "orders", "balance", "billing"}
    assert result.events == len(script.events)


def test_a_cache_that_is_not_told_of_writes_is_found_out(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in ("begin", "refresh", "finish"):
        monkeypatch.setattr(Invalidation, step, lambda self: None)

    result = replay(script)

    assert "active orders" in result.stale
    assert "summary of the day" in result.stale


def test_a_database_that_goes_away_in_the_middle_is_waited_for(
    script: Script, monkeypatch: pytest.MonkeyPatch, tiers: str
) -> None:
    pay, outages = cast.order_pay, iter(range(6))

    def pay_or_fail(**given: Any) -> Any:
        if next(outages, None) is not None:
            raise OperationalError("server closed the connection unexpectedly")
        return pay(**given)

    monkeypatch.setattr(cast, "order_pay", pay_or_fail)

    result = replay(script)

    assert (result.stale, result.lost) == ((), ())
    assert result.waited == ("OperationalError",) * 6
    assert {order.status for order in Order.objects.filter(org="true-one-replay")} == {Status.PAID}


def test_a_screen_that_finds_the_database_away_asks_again(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    read, outages = Gauge.read, iter(range(5))

    def read_or_fail(self: Gauge, *arguments: Any) -> None:
        if next(outages, None) is not None:
            raise OperationalError("server closed the connection unexpectedly")
        read(self, *arguments)

    monkeypatch.setattr(Gauge, "read", read_or_fail)

    result = replay(script)

    assert (len(result.waited), result.stale, result.lost) == (5, (), ())


def test_a_database_that_is_away_in_the_end_is_waited_for(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, outages = services._lost, iter(range(3))

    def lost_or_fail(play: Play) -> tuple[int, ...]:
        if next(outages, None) is not None:
            raise OperationalError("server closed the connection unexpectedly")
        return lost(play)

    monkeypatch.setattr(services, "_lost", lost_or_fail)

    assert len(replay(script).waited) == 3


def test_an_order_that_was_never_paid_is_lost(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast, "order_pay", lambda **_: None)

    assert replay(script).lost == (0, 1, 2)


def test_progress_is_told(script: Script) -> None:
    told: list[int] = []

    replay(script, advance=told.append, speed=100_000)

    assert told == sorted(told)
    assert told[-1] <= len(script.events)


def test_what_a_thread_raises_ends_all_and_is_raised(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("the till is on fire")

    monkeypatch.setattr("restaurant.replay.cast.order_pay", fail)

    with pytest.raises(RuntimeError, match="the till is on fire"):
        replay(script)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("till", "kitchen", "billing"))]


def test_ctrl_c_ends_every_thread(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(script, advance=interrupt)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("till", "kitchen", "billing"))]


def test_a_thread_that_cannot_start_ends_those_that_did(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def start_one(self: threading.Thread) -> None:
        if self.name == "till 2":
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(services.threading.Thread, "start", start_one)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        replay(script)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("till", "kitchen", "billing"))]
