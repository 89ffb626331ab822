"""Every event is performed by one part, and a write that Redis refused is made again."""

from typing import Any

import pytest
from django.utils import timezone

from caching import MarkFailed
from restaurant.replay import cast
from restaurant.replay.cast import Part, Play, cast_make
from restaurant.replay.gauge import WriteLog
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
    return Play(scratch, script, menu, stage, WriteLog(), Reads(scratch, timezone.localdate()))


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
