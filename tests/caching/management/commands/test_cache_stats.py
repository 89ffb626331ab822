"""`cache_stats` shows the statistics to people and to programs."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from caching.conf import conf
from caching.display import server_name
from caching.fleet import HostFigures
from caching.reporting import cache_report
from caching.runtime import runtime
from tests.shop import cached


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def stats(*arguments: str, out: StringIO | None = None) -> str:
    out = out or StringIO()
    call_command("cache_stats", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.shop, "target", 0.95)
    cached.shop.counters.local_hits = 3000
    cached.shop.counters.misses = 1000


@pytest.mark.usefixtures("traffic")
def test_the_table_shows_each_region_and_marks_the_weak_ones() -> None:
    shop, menu = (
        next(line for line in stats().splitlines() if line.startswith(f"│ {name} ")) for name in ("shop", "menu")
    )

    assert [cell.strip() for cell in shop.split("│")[1:5]] == ["shop", "4,000", "75.00% (low)", "95%"]
    assert [cell.strip() for cell in menu.split("│")[1:5]] == ["menu", "0", "-", "-"]


@pytest.mark.usefixtures("traffic")
def test_json_is_the_whole_report_with_what_is_the_command_s_own_apart() -> None:
    report = msgspec.json.decode(msgspec.json.encode(cache_report()))
    own = {name: report.pop(name) for name in ("process", "breaker", "listener")}

    assert json.loads(stats("--json")) == {**report, "command": own}


@pytest.mark.django_db
@pytest.mark.parametrize("scope", [[], ["--fleet"]])
def test_nothing_of_the_command_s_own_process_is_told_as_though_it_were_the_host_s(
    redis: object, settings: Settings, scope: list[str]
) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}

    told = json.loads(stats(*scope, "--json"))

    assert not {"process", "breaker", "listener"} & told.keys()
    assert (told["command"]["breaker"]["state"], told["command"]["listener"]["state"]) == ("closed", "listening")
    assert told["outbox"] == {"depth": 0, "oldest_seconds": None}
    assert "Other hosts' changes" not in stats(*scope)


@pytest.mark.django_db
def test_times_to_live_are_those_of_a_process_that_hears_other_hosts(redis: object, settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "BACKGROUND": True}

    [shop] = [each for each in json.loads(stats("--json"))["regions"] if each["name"] == "shop"]

    assert shop["local_ttl"] == cached.shop.local_ttl


def test_the_title_says_whose_figures_these_are() -> None:
    assert f"Cache of host {cache_report().host}: local memory" in stats()


@pytest.mark.django_db
def test_with_redis_the_title_names_it_and_a_sentence_tells_how_it_is(redis: object) -> None:
    assert "local memory and Redis" in stats()
    assert stats().rstrip().endswith("Redis is in use.")
    runtime.breaker.trip("a test")
    assert "Redis is left alone: a test." in stats()


@pytest.mark.django_db
def test_the_fleet_is_all_hosts_that_redis_knows(redis: object) -> None:
    assert "Cache of 1 host: local memory and Redis" in stats("--fleet")
    [told] = json.loads(stats("--fleet", "--json"))["hosts"]
    assert told["host"] == cache_report().host
    assert (told["breaker"], told["listener"], told["lag_ms"]) == ("", "", None), "no server has told"
    name = server_name(told["host"], told["id"])
    assert f"{name}, now: 0 reads, – hits; Redis: –; listener: –." in " ".join(stats("--fleet").split())  # noqa: RUF001 -- what is shown for nothing


@pytest.mark.django_db
def test_how_a_host_gets_on_with_redis_is_what_its_servers_told(redis: Any) -> None:
    server = HostFigures(
        id=runtime.statistics.host_id,
        host="h",
        process=1,
        at=runtime.clock.wall(),
        numbers={},
        breaker="half-open",
        listener="connecting",
        lag_ms=7.0,
    )
    redis.hset(f"{conf.PREFIX}fleet", server.id, msgspec.json.encode(server))

    [told] = json.loads(stats("--fleet", "--json"))["hosts"]

    assert (told["breaker"], told["listener"], told["lag_ms"]) == ("half-open", "connecting", 7.0)
    assert "Redis: half-open; listener: connecting." in " ".join(stats("--fleet").split())


@pytest.mark.django_db
def test_a_fleet_of_which_redis_does_not_tell_is_said_to_be_one_server(redis: object) -> None:
    runtime.breaker.trip("a test")
    assert "other servers are not known" in stats("--fleet")


def test_a_command_does_not_count_its_own_process_in_which_nothing_was_read() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments: --process"):
        stats("--process")


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("written", [[], ["--json"]])
def test_a_script_can_ask_whether_targets_are_met(monkeypatch: pytest.MonkeyPatch, written: list[str]) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        stats("--check", *written, out=out)
    assert ended.value.code == 3
    assert "shop" in out.getvalue()

    monkeypatch.setattr(cached.shop, "target", 0.75)
    stats("--check", *written)


@pytest.mark.usefixtures("traffic")
def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    assert "\x1b[31m75.00% (low)" in stats(out=Terminal())


def test_a_region_that_served_old_values_is_told_of() -> None:
    cached.shop.counters.audited = cached.menu.counters.audited = 100
    cached.shop.counters.violations = 1

    shown = stats()

    assert "shop has served old values: 1 nine consistent within 1,000 ms (1 of 100 audited was old)." in shown
    assert "menu has served" not in shown
