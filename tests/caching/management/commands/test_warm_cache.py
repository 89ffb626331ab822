"""`warm_cache` loads what is hot, counts it, and says when that helps nobody but itself."""

from __future__ import annotations

import json
from io import StringIO
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings
from rich.console import Console

from caching.models import CacheEvent, HotKey
from caching.runtime import runtime
from tests.caching.operators import shop_of
from tests.shop import cached

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shops")]


def warm(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("warm_cache", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_what_was_loaded_is_counted_by_region() -> None:
    shop_of("tea")
    shop_of("cake")

    lines = warm("--region", "shop", "--region", "menu")

    assert lines[:3] == ["shop: 2", "menu: declares nothing to warm", "Loaded 2 values."]
    assert "warmed the command's own process" in lines[3]
    assert "CACHING['WARM_AT_START']" in lines[3]


def test_all_regions_are_warmed_when_none_is_named() -> None:
    shop_of("tea")

    assert "shop: 1" in warm("--org", "tea")


@pytest.mark.usefixtures("named_shops")
@pytest.mark.parametrize("hot", [[], ["--hot"]])
def test_an_organisation_may_be_called_by_its_business_name(hot: list[str]) -> None:
    shop_of("tea", "The Tea Room")
    shop_of("cake", "Cake")
    hot_key("shop", "tea")
    hot_key("shop", "cake")

    assert "shop: 1" in warm("--org", "the tea room", *hot)

    assert [event.org_id for event in CacheEvent.objects.all()] == ["tea"]


@pytest.mark.django_db(transaction=True)
def test_with_redis_other_processes_find_what_was_loaded(redis: object) -> None:
    shop_of("tea")

    assert warm("--region", "shop", "--org", "tea") == ["shop: 1", "Loaded 1 value."]

    assert runtime.local is not None
    runtime.local.clear()
    cached.shop.get("tea")
    assert cached.shop.counters.redis_hits == 1


@pytest.mark.parametrize("hot", [[], ["--hot"]])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--org", "tee"], "There is no organisation 'tee'"), (["--region", "shap"], "There is no cache region 'shap'")],
)
def test_a_wrong_name_is_told(arguments: list[str], message: str, hot: list[str]) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        warm(*arguments, *hot)
    assert caught.value.returncode == 1
    assert not CacheEvent.objects.exists()


@pytest.mark.usefixtures("redis_down")
@pytest.mark.parametrize("hot", [[], ["--hot"]])
def test_a_redis_that_is_away_is_told(hot: list[str]) -> None:
    with pytest.raises(CommandError, match="Nothing was warmed: Redis did not answer") as caught:
        warm("--json", *hot)
    assert caught.value.returncode == 1
    assert not CacheEvent.objects.exists()


def hot_key(region: str = "shop", org: str = "tea") -> None:
    HotKey.objects.create(host="h", region=region, org=org, parts="[]", weight=1.0, seen_at=timezone.now())


def test_the_hot_keys_of_the_last_run_alone_are_loaded_and_recorded() -> None:
    shop_of("tea")
    shop_of("cake")
    hot_key("shop", "tea")
    hot_key("menu", "cake")

    lines = warm("--hot")

    assert (set(lines[:2]), lines[2]) == ({"shop: 1", "menu: 1"}, "Loaded 2 values.")
    assert cached.shop.counters.loads == 1
    assert "warmed the command's own process" in warm("--hot", "--org", "cake")[-1]
    assert list(CacheEvent.objects.order_by("at").values_list("action", "region", "org_id")) == [
        ("warm", "", ""),
        ("warm", "", "cake"),
    ]


@pytest.mark.parametrize(
    ("most", "why"), [(500, "servers do that every five minutes"), (0, "CACHING['HOT_KEYS'] is 0")]
)
def test_why_there_are_no_hot_keys_is_told(settings: Settings, most: int, why: str) -> None:
    settings.CACHING = {**settings.CACHING, "HOT_KEYS": most}

    lines = warm("--hot")

    assert lines[0] == "Loaded 0 values."
    assert why in lines[1]


def test_scripts_get_json_alone() -> None:
    shop_of("tea")
    hot_key()

    declared = json.loads("\n".join(warm("--json", "--region", "shop", "--region", "menu")))
    hot = json.loads("\n".join(warm("--json", "--hot")))

    assert declared == {"loaded": {"shop": 1, "menu": 0}, "total": 1, "shared": False}
    assert hot == {"loaded": {"shop": 1}, "total": 1, "shared": False}


@pytest.mark.django_db(transaction=True)
def test_scripts_are_told_that_servers_share_what_redis_holds(redis: object) -> None:
    shop_of("tea")
    assert json.loads("\n".join(warm("--json", "--region", "shop")))["shared"] is True


def test_the_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("warm_cache", "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "Exit code 0: done; 1: a region or organisation that does not exist, or Redis does not answer." in told


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of("tea")
    terminal, pipe = StringIO(), StringIO()
    for screen, is_terminal in ((terminal, True), (pipe, False)):
        console = Console(file=screen, force_terminal=is_terminal, width=100)
        monkeypatch.setattr("caching.management.commands.warm_cache.Console", Mock(return_value=console))
        warm("--region", "shop")

    assert "Warming shop" in terminal.getvalue()
    assert "1 values" in terminal.getvalue()
    assert pipe.getvalue() == ""
