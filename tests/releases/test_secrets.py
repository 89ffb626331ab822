"""Processes with other secrets in names of keys: a rotation in three steps leaves no write unseen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.releases.conftest import Process, Start
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = "the old secret of these key names", "the new secret of these key names"


def with_setting(*secrets: str) -> dict[str, Any]:
    return {"caching": {"KEY_SECRETS": list(secrets)}}


def with_django(*secrets: str) -> dict[str, Any]:
    return {"SECRET_KEY": secrets[0], "SECRET_KEY_FALLBACKS": list(secrets[1:])}


STEPS = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
both_ways = pytest.mark.parametrize("having", [with_setting, with_django])


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="corner")


def shown(process: Process, *, locally: bool) -> int:
    if not locally:
        process.forget()
    return int(process.count("corner", "soup"))


@both_ways
@pytest.mark.parametrize("hosts", [("one", "one"), ("one", "two")], ids=["one host", "two hosts"])
def test_in_each_step_of_a_rotation_each_process_sees_the_others_writes(
    start: Start, having: Any, hosts: tuple[str, str]
) -> None:
    made = 0
    for before, after in pairwise(STEPS):
        first, second = start(host=hosts[0], **having(*before)), start(host=hosts[1], **having(*after))
        locally = hosts[0] == hosts[1]
        for writer in (first, second):
            assert shown(first, locally=locally) == shown(second, locally=locally) == made
            writer.cook("corner", "soup", f"soup {made}")
            made += 1
            assert shown(first, locally=locally) == shown(second, locally=locally) == made


@both_ways
def test_in_two_steps_a_write_would_go_unseen(start: Start, having: Any) -> None:
    """What the check and the alarm are for."""
    first, second = start(**having(OLD)), start(host="two", **having(NEW, OLD))
    assert shown(second, locally=False) == 0
    first.cook("corner", "soup", "soup")
    assert shown(first, locally=False) == 1
    assert shown(second, locally=False) == 0


def test_names_stay_when_the_secret_key_becomes_the_secret_of_names(start: Start) -> None:
    first = start(SECRET_KEY=OLD)
    second = start(host="two", SECRET_KEY=NEW, caching={"KEY_SECRETS": [OLD]})
    assert shown(first, locally=False) == shown(second, locally=False) == 0
    assert second.counters()["redis_hits"] == 1
    first.cook("corner", "soup", "soup")
    assert shown(second, locally=False) == 1
