"""What the models found in the code: each of these served an old value before it was mended."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.models import QuerySet

from caching.epochs import fresh_token, wide_names
from caching.flights import Flights
from caching.keys import Scope
from caching.runtime import runtime
from caching.scripts import WIDE_MARK, WIDE_UNMARK, Command
from caching.stamps import slots_of
from caching.steps import Join
from tests.caching.stepping import KEY, Slow, forget_here, is_load
from tests.conftest import MovableClock
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


def rename(name: str) -> None:
    row = Shop.objects.get(pk="corner")
    row.name = name
    row.save()


def is_join(step: Any) -> bool:
    return isinstance(step, Join)


def name_found(read: Slow) -> str:
    read.finish()
    return str(shop.value(read.result[KEY]).name)


def test_who_waits_in_vain_and_joins_the_same_flight_again_gets_nothing_older(tiers: str) -> None:
    leader = Slow(shop.read([KEY])).until(is_load)
    assert leader.step is not None
    loaded = leader.step.run()
    rename("new")
    late = Slow(shop.read([KEY])).until(is_join)
    late.step = late._steps.send({})  # it has waited as long as it may, and joins once more or reads for itself
    leader.step = SimpleNamespace(run=lambda: loaded)
    assert name_found(leader) == "old", "it began before the write"
    assert name_found(late) == "new"


def test_who_joins_while_a_flight_lands_gets_nothing_older(tiers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    land = Flights.land
    late: list[Slow] = []

    def land_late(flights: Flights, *arguments: Any) -> None:
        monkeypatch.setattr(Flights, "land", land)
        rename("new")
        late.append(Slow(shop.read([KEY])))
        land(flights, *arguments)

    leader = Slow(shop.read([KEY])).until(is_load)
    monkeypatch.setattr(Flights, "land", land_late)
    leader.finish()
    assert name_found(late[0]) == "new"


def test_a_wide_unmark_that_is_done_twice_brings_nothing_back(redis: Any) -> None:
    def run(script: Command) -> None:
        redis.execute_command(*script.wire(by_text=True))

    names = list(wide_names(Scope("shop", "corner")))
    twice = WIDE_UNMARK(names, "first", fresh_token())
    run(WIDE_MARK(names, "first", 5000, fresh_token()))
    run(twice)
    assert shop.get("corner").name == "old"
    run(WIDE_MARK(names, "second", 5000, fresh_token()))
    QuerySet(Shop).update(name="new")
    run(WIDE_UNMARK(names, "second", fresh_token()))
    run(twice)
    forget_here()
    assert shop.get("corner").name == "new"


def hear_a_push() -> None:
    assert runtime.stamps is not None
    runtime.stamps.bump([slots_of(KEY).key])


@pytest.mark.parametrize("hear", [hear_a_push, runtime.drop_local])
def test_trust_that_returns_in_the_middle_of_a_hit_covers_nothing_found_before(
    redis: Any, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, hear: Callable[[], None]
) -> None:
    listener: Any = SimpleNamespace(heard_until=clock.now() + 1, tracking=True, stop=lambda: None)
    runtime.listener = listener
    shop.get("corner")
    clock.advance(10)
    local = runtime.local
    assert local is not None
    is_valid = local.is_valid

    def then_hear(entry: Any) -> bool:
        valid = is_valid(entry)
        hear()
        listener.heard_until = clock.now() + 1
        return valid

    monkeypatch.setattr(local, "is_valid", then_hear)
    assert runtime.find(KEY.local) is None
