"""What the page asks for again and again is the same as the API says, and tells who reads what and who cleared."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils.html import escape

from caching.errors import RedisUnavailable
from caching.fleet import HostFigures
from caching.models import CacheEvent, CacheUsage
from caching.operations import cache_warm
from caching.runtime import runtime
from caching.series import MEASURES
from tests.caching.operators import CLEAR, VIEW, WARM, operator, shop_of
from tests.factories import BusinessProfileFactory
from tests.shop import cached

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/caching/cacheregion/"


def asked(path: str, *codenames: str) -> Any:
    client = Client()
    client.force_login(operator(*codenames))
    response = client.get(PAGE + path)
    assert response.status_code == 200
    return response.json()


@pytest.mark.usefixtures("tiers")
@pytest.mark.parametrize("scope", ["fleet", "host"])
def test_the_figures_are_those_of_the_api(scope: str) -> None:
    shop_of()
    for _ in range(3):
        cached.shop.get("tea")
    client = Client()
    client.force_login(operator(VIEW))

    live = client.get(f"{PAGE}live/?scope={scope}").json()

    # Of the moment, not of the caches.
    moments = {"hosts", "outbox", "listener"}
    api = client.get(f"/api/v1/caches/?scope={scope}").json()
    assert {name: each for name, each in live["report"].items() if name not in moments} == {
        name: each for name, each in api.items() if name not in moments
    }
    assert live["regions"]["shop"]["requests"] == "3"
    assert live["total"]["requests"] == "3"
    assert live["numbers"]["shop"]["local_hits"] + live["numbers"]["shop"]["misses"] == 3


def test_another_scope_than_there_is_means_all_servers() -> None:
    assert asked("live/?scope=moon", VIEW)["report"]["scope"] == "fleet"


@pytest.mark.usefixtures("tiers")
@pytest.mark.parametrize("scope", ["fleet", "host"])
def test_the_busiest_are_named_and_keys_digested(scope: str) -> None:
    shop_of()
    cached.shop.get("tea")
    runtime.observer.tick()
    cached.tally.get("tea", "+447700900001")
    runtime.observer.tick()

    live = asked(f"live/?scope={scope}", VIEW)

    assert [each["org"] for each in live["orgs"]] == ["tea"]
    assert {(each["region"], each["org"]) for each in live["keys"]} == {("Shop", "tea"), ("Tally", "tea")}
    assert "900001" not in str(live)


def test_recent_clears_name_who_did_what() -> None:
    CacheEvent.objects.create(action="clear", region="shop", org_id="tea", user=operator(username="maria"))
    CacheEvent.objects.create(action="warm", key="{tea}:dish:1", region="gone")

    events = asked("live/", VIEW)["events"]

    assert [(each["who"], each["did"], each["what"]) for each in events] == [
        ("a command", "warmed", "gone, one key"),
        ("maria", "cleared", "Shop of tea"),
    ]


@pytest.mark.parametrize(
    ("asked_for", "step"), [("minute", "minute"), ("day", "day"), ("aeon", "minute"), ("", "minute")]
)
def test_the_past_is_told_by_the_step_asked_for(asked_for: str, step: str) -> None:
    assert asked(f"history/?step={asked_for}", VIEW)["step"] == step


def test_the_past_has_what_history_keeps() -> None:
    minute = int(runtime.clock.wall() // 60) - 2
    measured = {**dict.fromkeys(MEASURES, 0), "local_hits": 3, "misses": 1}
    CacheUsage.objects.create(step="minute", host="h", start=minute, region="shop", org="", **measured)

    series = asked("history/?step=minute", VIEW)["series"]

    assert [(each["region"], [point["hit_rate"] for point in each["points"]]) for each in series] == [("shop", [0.75])]


def test_organisations_are_found_by_id_and_by_business_name() -> None:
    BusinessProfileFactory(org_id="corner", name="The Tea Room")
    BusinessProfileFactory(org_id="tea-2", name="Elsewhere")
    BusinessProfileFactory(org_id="other", name="Coffee")

    found = asked("organisations/?q=TEA", VIEW, CLEAR)["found"]

    assert found == [{"org": "tea-2", "name": "Elsewhere"}, {"org": "corner", "name": "The Tea Room"}]
    assert asked("organisations/?q=", VIEW, WARM)["found"] == []


def test_no_more_organisations_are_named_than_fit() -> None:
    for _ in range(12):
        BusinessProfileFactory(name="Tea")

    assert len(asked("organisations/?q=tea", VIEW, WARM)["found"]) == 10


def test_who_may_only_look_does_not_search_organisations() -> None:
    client = Client()
    client.force_login(operator(VIEW))

    assert client.get(PAGE + "organisations/?q=tea").status_code == 403


def test_figures_are_asked_for_with_get_alone() -> None:
    client = Client()
    client.force_login(operator(VIEW, CLEAR))

    assert [client.post(PAGE + each).status_code for each in ("live/", "history/", "organisations/")] == [405] * 3


def test_nothing_is_made_by_looking() -> None:
    asked("live/", VIEW)

    assert not QuerySet(CacheEvent).exists()


def test_other_servers_are_told_of_once_there_are_any(redis: Any) -> None:
    client = Client()
    client.force_login(operator(VIEW))
    alone = client.get(PAGE).content.decode()
    other = HostFigures(id="other", host="till-2", process=7, at=runtime.clock.wall(), numbers={"shop": {"misses": 3}})
    redis.hset("fa:fleet", other.id, msgspec.json.encode(other))

    both = client.get(PAGE).content.decode()

    assert 'data-shown-field="hosts/1" hidden' in alone
    assert 'data-shown-field="hosts/1" hidden' not in both
    assert '<td data-label="Server">till-2 · other</td>' in both
    assert client.get(PAGE + "live/").json()["total"]["misses"] == "3"


def test_servers_of_one_host_name_are_told_apart_and_the_one_that_answers_is_named(redis: Any) -> None:
    own = runtime.statistics.host_id
    other = HostFigures(id="f00dfeed", host=socket.gethostname(), process=7, at=runtime.clock.wall(), numbers={})
    redis.hset("fa:fleet", other.id, msgspec.json.encode(other))

    live = asked("live/", VIEW)

    assert [each["host"] for each in live["hosts"]] == [f"{other.host} · {own[:6]}", f"{other.host} · f00dfe"]
    assert live["server"] == live["hosts"][0]["host"]
    assert live["since"].endswith(", by each server since it began")


def test_old_values_that_the_auditor_saw_are_an_alarm() -> None:
    cached.shop.counters.audited = 10
    cached.shop.counters.violations = 1

    live = asked("live/", VIEW)

    assert live["regions"]["shop"]["is_inconsistent"]
    assert live["total"]["is_inconsistent"]
    assert not live["regions"]["menu"]["is_inconsistent"]


@pytest.mark.usefixtures("redis_down")
def test_that_other_servers_are_not_known_without_an_answer_of_redis_is_said_and_told_live() -> None:
    user = operator(VIEW)
    client = Client()
    client.force_login(user)
    said = "Redis does not answer: other servers are not known, these are this server's figures."
    with pytest.raises(RedisUnavailable):
        cache_warm(regions=["shop"], orgs=[])

    assert client.get(PAGE + "live/").json()["notice"] == said
    assert client.get(PAGE + "live/?scope=host").json()["notice"] == ""
    assert escape(said) in client.get(PAGE).content.decode()


@pytest.mark.usefixtures("tiers")
def test_nothing_is_said_of_other_servers_while_redis_answers() -> None:
    assert asked("live/", VIEW)["notice"] == ""
