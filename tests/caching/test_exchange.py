"""The epochs that a process knows, and when it no longer may; the listener's part is played by hand."""

from __future__ import annotations

from typing import Any

import pytest

from caching.epochs import clear_name, fresh_token, guard_names, wide_names
from caching.invalidation import clear
from caching.keys import Scope
from caching.runtime import Runtime, runtime
from caching.scripts import WIDE_MARK, WIDE_UNMARK
from caching.stamps import region_slot
from caching.steps import Ask, Pause
from tests.caching.stepping import KEY, forget_here, is_ask, slow_read
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

SCOPE = Scope("shop", "corner")


@pytest.fixture(autouse=True)
def told_of_changes(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a listener stood: only what a test tells by hand is heard."""
    monkeypatch.setattr(Runtime, "hears_changes", True)
    Shop.objects.create(slug="corner", name="old")


def forget_values_here() -> None:
    assert runtime.local is not None
    for entry in list(runtime.local.entries.values()):
        runtime.local.discard(entry)


def asked() -> list[str]:
    """Read once more, and return the names that Redis was asked for first."""
    forget_values_here()
    read = slow_read()
    assert isinstance(read.step, Ask)
    _, *names = read.step.commands[0].words
    read.finish()
    return [str(name) for name in names]


def test_epochs_that_are_known_are_not_fetched_but_the_one_that_writes_change() -> None:
    shop.get("corner")
    assert asked() == [guard_names(KEY)[0], wide_names(SCOPE)[0]]
    assert shop.counters.loads == 1


def test_without_being_told_of_changes_all_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    shop.get("corner")
    monkeypatch.setattr(Runtime, "hears_changes", False)
    assert len(asked()) == 5


def test_a_clear_of_this_host_is_known_at_once() -> None:
    for what in ({}, {"region": "shop"}, {"org": "corner"}, {"region": "shop", "org": "corner"}):
        shop.get("corner")
        loads = shop.counters.loads
        clear(**what)
        shop.get("corner")
        assert shop.counters.loads == loads + 1


def test_a_clear_of_another_host_is_known_once_it_is_told(redis: Any) -> None:
    shop.get("corner")
    redis.set(clear_name("shop", None), fresh_token())
    assert len(asked()) == 2
    assert runtime.stamps is not None
    runtime.stamps.bump([region_slot("shop")])
    assert len(asked()) == 5
    assert shop.counters.loads == 2


def test_a_wide_write_of_another_host_is_seen_before_anybody_tells(redis: Any) -> None:
    shop.get("corner")
    forget_values_here()
    names, commit = list(wide_names(SCOPE)), "another host"
    redis.eval(WIDE_MARK.text, 2, *names, commit, 5000, fresh_token())
    Shop.objects.filter(slug="corner").update(name="new")
    redis.eval(WIDE_UNMARK.text, 2, *names, commit, fresh_token())
    assert shop.get("corner").name == "new"  # type: ignore[union-attr]


def test_what_a_clear_came_before_is_not_known() -> None:
    shop.get("corner")
    forget_here()
    read = slow_read().until(is_ask("MGET"))
    read.proceed()
    # Its answer holds the epochs of before: the clear comes between them and what is made of them.
    clear("shop")
    read.finish()
    assert len(asked()) == 5


def test_the_epochs_of_another_server_are_not_those_of_this_one(redis: Any) -> None:
    shop.get("corner")
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    redis.execute_command("REPLICAOF", "NO", "ONE")
    assert runtime.redis is not None
    runtime.redis.renew()
    assert len(asked()) == 2
    assert shop.counters.loads == 2, "the value of the former reign is none of this one"
    assert len(asked()) == 2
    assert shop.counters.loads == 2


def test_what_a_dropped_tier_knew_is_forgotten() -> None:
    shop.get("corner")
    runtime.drop_local()
    assert len(asked()) == 5


def test_a_read_from_before_the_drop_trusts_nothing_it_knew_and_keeps_nothing(redis: Any) -> None:
    shop.get("corner")
    forget_values_here()
    redis.delete(guard_names(KEY)[0])
    redis.set(guard_names(KEY)[1], "another process", px=60_000)
    read = slow_read().until(lambda step: isinstance(step, Pause))
    runtime.drop_local()
    read.proceed()
    assert isinstance(read.step, Ask)
    assert len(read.step.commands[0].words) == 6
    read.finish()
    assert runtime.local is not None
    assert KEY.local not in runtime.local.entries


def test_a_value_read_across_a_drop_is_kept_for_nobody() -> None:
    shop.get("corner")
    forget_values_here()
    read = slow_read()
    runtime.drop_local()
    read.finish()
    assert runtime.local is not None
    assert KEY.local not in runtime.local.entries


def test_more_scopes_than_it_may_remember_are_forgotten_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caching.tiers.local._MOST_EPOCHS", 1)
    Shop.objects.create(slug="market", name="market")
    shop.get("corner")
    shop.get("market")
    assert len(asked()) == 5
