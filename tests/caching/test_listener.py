"""The listener hears what other hosts change, and local memory is trusted only while it does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import QuerySet
from pytest_django.fixtures import Settings

from caching import listener as module
from caching.channels import Channel
from caching.keys import Key, Scope
from caching.listener import Listener, slots_told
from caching.runtime import runtime
from caching.stamps import region_slot, scope_slot, slots_of
from caching.steps import Join
from tests.caching.hearing import (
    LABELS,
    RIVAL,
    clear_elsewhere,
    create_shops,
    held,
    is_trusted,
    lead_to,
    listen,
    mark_elsewhere,
    read_all,
    unmark_elsewhere,
    write_elsewhere,
)
from tests.caching.stepping import KEY, Slow, forget_here, is_load, slow_read
from tests.conftest import MovableClock
from tests.faults.proxy import Proxy, Refusal
from tests.faults.waiting import eventually
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

PARSERS = ["redis._parsers._HiredisParser", "redis._parsers._RESP3Parser"]


@pytest.fixture(autouse=True)
def shops() -> None:
    create_shops()


@pytest.fixture(params=PARSERS, ids=["hiredis", "python"])
def parser(request: pytest.FixtureRequest, redis: Any, settings: Settings) -> None:
    """Run the test with either of redis-py's parsers."""
    cache = {**settings.CACHES["redis"], "OPTIONS": {"PARSER_CLASS": request.param}}
    settings.CACHES = {**settings.CACHES, "redis": cache}


@pytest.fixture
def listener(redis: Any) -> Listener:
    return listen()


# --- what is told -----------------------------------------------------------------------------------------------------


def test_another_hosts_write_makes_the_local_copy_stale_and_no_other(redis: Any, parser: None) -> None:
    listener = listen()
    read_all()

    write_elsewhere(redis, KEY)

    eventually(lambda: held() == {RIVAL, LABELS})
    assert listener.describe()["heard"] >= 2


def test_either_half_of_a_write_is_heard(redis: Any, listener: Listener) -> None:
    read_all()
    mark_elsewhere(redis, KEY)
    eventually(lambda: KEY not in held())

    # Read between the other host's mark and its commit; nobody keeps that.
    shop.get("corner")
    assert KEY not in held()

    stamps = runtime.stamps
    assert stamps is not None
    noted = stamps.note(slots_of(KEY))
    unmark_elsewhere(redis, KEY)
    eventually(lambda: stamps.note(slots_of(KEY)) != noted)


def test_an_answer_comes_after_all_that_was_told_before_it(clock: MovableClock, redis: Any) -> None:
    listener = listen()
    for _ in range(10):
        read_all()
        write_elsewhere(redis, KEY)
        clock.advance(1)
        eventually(lambda: listener.heard_until > clock.now())
        # The question was sent after the write, and has been answered: no waiting from here on.
        assert held() <= {RIVAL, LABELS}


def test_what_is_told_before_an_answer_is_heard_as_well(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # One question after the other: there is no other time at which anything could be told.
    monkeypatch.setattr(Channel, "listen", lambda self, until: None)
    listen()
    read_all()
    write_elsewhere(redis, KEY)
    eventually(lambda: held() == {RIVAL, LABELS})


@pytest.mark.parametrize(
    ("region", "org", "left"),
    [
        (None, None, set()),
        ("shop", None, {LABELS}),
        (None, "corner", {RIVAL}),
        ("shop", "corner", {RIVAL, LABELS}),
        ("shop", "elsewhere", {KEY, RIVAL, LABELS}),
    ],
)
def test_another_hosts_clearing_is_heard(
    redis: Any, listener: Listener, region: str | None, org: str | None, left: set[Key]
) -> None:
    read_all()
    clear_elsewhere(redis, region, org)
    eventually(lambda: listener.describe()["heard"] > 0)
    eventually(lambda: held() == left)


def test_another_hosts_change_of_very_many_keys_is_heard(redis: Any, listener: Listener) -> None:
    read_all()
    write_elsewhere(redis, Scope("shop", "corner"))
    eventually(lambda: held() == {RIVAL, LABELS})


def test_the_names_told_lead_to_the_slots_of_what_they_name() -> None:
    odd = Key("dish", "l'été à la mer", ("x", 5), "other")
    assert list(slots_told(f"fa:p:{odd.name}", "fa:")) == [slots_of(odd).key]
    assert list(slots_told(f"fa:p:{odd.scope.name}:*", "fa:")) == [scope_slot(odd.scope)]
    assert list(slots_told(f"fa:e:s:{odd.scope.name}", "fa:")) == [scope_slot(odd.scope)]
    assert list(slots_told("fa:e:r:dish", "fa:")) == [region_slot("dish")]
    assert {region_slot("shop"), region_slot("dish")} < set(slots_told("fa:e:", "fa:"))
    of_org = set(slots_told(f"fa:e:o:{Scope('', odd.org).name}", "fa:"))
    assert {scope_slot(Scope("shop", odd.org)), scope_slot(odd.scope)} < of_org


def test_fills_and_other_projects_are_not_told_of(clock: MovableClock, redis: Any) -> None:
    listener = listen()
    redis.set("fa:v:{corner}:shop", "a value")
    redis.set("fab:e:", "a project of another name")
    clock.advance(1)
    eventually(is_trusted)
    assert listener.describe()["heard"] == 0


def test_a_name_that_is_no_text_does_no_harm(redis: Any, listener: Listener) -> None:
    read_all()
    redis.zadd(b"fa:p:\xff\xfe", {"a": 1})
    write_elsewhere(redis, KEY)
    eventually(lambda: held() == {RIVAL, LABELS})
    assert listener.describe()["reconnects"] == 0


# --- what may have been missed ----------------------------------------------------------------------------------------


def test_a_flush_drops_all(redis: Any, parser: None) -> None:
    listener = listen()
    read_all()
    before = runtime.local

    redis.flushall()

    eventually(lambda: runtime.local is not before)
    eventually(is_trusted)
    assert held() == set()
    assert listener.describe()["reconnects"] == 0


def test_a_lost_connection_drops_all_and_is_made_again(
    redis: Any, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    read_all()
    before = runtime.local

    redis.client_kill_filter(_type="normal")

    eventually(lambda: listener.describe()["reconnects"] == 1)
    assert runtime.local is not before
    assert held() == set()
    read_all()
    write_elsewhere(redis, KEY)
    eventually(lambda: held() == {RIVAL, LABELS})
    lost, again = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert lost.startswith("Redis does not tell of other hosts' changes, so local memory is out of use: Connection")
    assert again == "Redis tells of other hosts' changes: local memory is in use."


def test_a_read_under_way_while_the_connection_was_lost_keeps_nothing(redis: Any, listener: Listener) -> None:
    read = slow_read().until(is_load)
    redis.client_kill_filter(_type="normal")
    eventually(lambda: listener.describe()["reconnects"] == 1)

    assert read.finish().name == "old"

    assert held() == set()


@pytest.fixture
def proxy(redis: Any, settings: Settings) -> Iterator[Proxy]:
    """A way to the server that can break."""
    proxy = Proxy(redis.connection_pool.connection_kwargs["port"])
    lead_to(settings, proxy.port)
    yield proxy
    runtime.reset()
    proxy.close()


def test_a_read_that_began_while_nobody_listened_keeps_nothing(redis: Any, proxy: Proxy) -> None:
    listener = listen()
    proxy.suffer(Refusal())
    eventually(lambda: not listener.tracking)
    read = slow_read()
    # Of this the reader's host never hears.
    write_elsewhere(redis, KEY)
    proxy.heal()
    eventually(is_trusted)

    assert read.finish().name == "old"

    assert held() == set()


def test_who_comes_after_the_connection_was_lost_takes_nothing_from_a_read_before(redis: Any, proxy: Proxy) -> None:
    listener = listen()
    read_all()
    forget_here()
    before = Slow(shop.read([KEY]))
    assert before.step is not None
    answer = before.step.run()
    proxy.suffer(Refusal())
    eventually(lambda: not listener.tracking)
    mark_elsewhere(redis, KEY)
    # As another host does it: nobody here is told.
    QuerySet(Shop).filter(slug="corner").update(name="new")
    unmark_elsewhere(redis, KEY)
    proxy.heal()
    eventually(is_trusted)

    after = Slow(shop.read([KEY]))
    assert isinstance(after.step, Join)
    with pytest.raises(StopIteration):
        before._steps.send(answer)
    after.finish()

    [entry] = after.result.values()
    assert b'"new"' in entry.body


def test_what_is_kept_while_nobody_listens_is_served_to_nobody(clock: MovableClock, proxy: Proxy) -> None:
    listener = listen()
    read_all()
    proxy.suffer(Refusal())
    # The clock stands still: it is not time that ends the trust.
    eventually(lambda: not listener.tracking)
    assert held() == set()
    assert listener.describe()["state"] == "connecting"


def test_local_copies_are_trusted_for_a_while_after_the_last_answered_question_was_sent(
    clock: MovableClock, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Channel.answer
    slow = 0.0

    def answer_late(self: Any) -> Any:
        answered = answer(self)
        clock.advance(slow)
        return answered

    monkeypatch.setattr(Channel, "answer", answer_late)
    listener = listen()
    assert listener.heard_until == pytest.approx(clock.now() + 0.3)
    before = clock.now()
    slow = 0.2
    eventually(lambda: clock.now() > before)
    eventually(lambda: listener.heard_until > before + 0.35)
    assert listener.heard_until <= clock.now() + 0.3 - slow + 1e-6


def test_what_fails_unforeseen_drops_all_and_is_said(
    redis: Any, listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read_all()

    def fail(*arguments: Any) -> Any:
        monkeypatch.undo()
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(module, "slots_told", fail)
    clear_elsewhere(redis)

    eventually(lambda: listener.describe()["reconnects"] == 1)
    assert held() == set()
    assert "out of use: ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text
