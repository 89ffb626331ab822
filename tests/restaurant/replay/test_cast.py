"""Every event is performed by one part, and a write that Redis refused is made again."""

from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from billing.models import Payment
from caching import MarkFailed
from orders.models import Order
from orders.statuses import Status
from restaurant.errors import ConflictError
from restaurant.replay import cast
from restaurant.replay.cast import Part, Play, cast_make
from restaurant.replay.gauge import WriteLog
from restaurant.replay.patience import Patience
from restaurant.replay.reads import Reads
from restaurant.replay.scratch import scratch_make, scratch_org_id
from restaurant.replay.script import SETTINGS, script_write
from restaurant.replay.stage import Stage
from tests.restaurant.replay.days import DAY, day_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def play() -> Play:
    org = day_make()
    script = script_write(org_id=org.pk, day=DAY)
    menu = scratch_make(org_id=org.pk, script=script)
    scratch = scratch_org_id(org.pk)
    stage = Stage(script.events, followers=(), speed=None)
    return Play(
        scratch, script, menu, stage, WriteLog(), Reads(scratch, timezone.localdate()), Patience(60, lambda _: None)
    )


def performer(parts: list[Part], kind: str) -> Part:
    (found,) = {part for part in parts for event in part.play.script.events[:1] if part.performs(event)}
    assert found.performs(next(event for event in found.play.script.events if event.kind == kind))
    return found


def test_every_event_is_performed_by_exactly_one_part(play: Play) -> None:
    parts = cast_make(play)

    for event in play.script.events:
        assert len([part for part in parts if part.performs(event)]) == 1


def test_the_manager_at_the_billing_page_changes_the_settings(play: Play) -> None:
    (event,) = [event for event in play.script.events if event.kind == SETTINGS]

    assert [part.name for part in cast_make(play) if part.performs(event)] == ["billing page"]


def test_a_write_that_redis_refused_is_made_again_and_counted(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    create, refusals = cast.order_create, iter([MarkFailed("no mark"), None])

    def refuse_once(**given: Any) -> Any:
        refusal = next(refusals)
        if refusal is not None:
            raise refusal
        return create(**given)

    monkeypatch.setattr(cast, "order_create", refuse_once)
    till = performer(cast_make(play), "pending")

    till._perform_patiently(play.script.events[0])

    assert play.retried == ["pending"]
    assert list(play.order_ids) == [0]


def test_a_write_that_redis_refuses_for_ever_fails(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise MarkFailed("no mark")

    monkeypatch.setattr(cast, "order_create", refuse)

    with pytest.raises(MarkFailed):
        performer(cast_make(play), "pending")._perform_patiently(play.script.events[0])
    assert len(play.retried) == 3


def lose_the_first_answer(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    """Have the database go away when it has committed and before it says so."""
    perform, losses = getattr(cast, service), iter([True])

    def answer_lost(**given: Any) -> Any:
        answer = perform(**given)
        if next(losses, False):
            raise OperationalError("server closed the connection unexpectedly")
        return answer

    monkeypatch.setattr(cast, service, answer_lost)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("service", ["order_create", "order_change_status", "order_pay"])
def test_a_write_whose_answer_was_lost_is_made_once(play: Play, monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    lose_the_first_answer(monkeypatch, service)
    parts = cast_make(play)
    events = [event for event in play.script.events if event.order == 0]

    for event in events:
        (part,) = (part for part in parts if part.performs(event))
        part._perform_patiently(event)

    assert play.patience.waited == ["OperationalError"]
    assert play.status_of(0) == Status.PAID
    assert Order.objects.filter(org=play.org_id).count() == Payment.objects.filter(org=play.org_id).count() == 1


def test_a_move_that_is_none_is_an_error_unless_it_was_tried_before(play: Play) -> None:
    parts = cast_make(play)
    place, confirm = (event for event in play.script.events if event.order == 0 and event.index in (0, 1))
    kitchen = next(part for part in parts if part.performs(confirm))
    performer(parts, "pending")._perform_patiently(place)
    kitchen._perform_once(confirm, again=False)

    with pytest.raises(ConflictError):
        kitchen._perform_once(confirm, again=False)
    kitchen._perform_once(confirm, again=True)
