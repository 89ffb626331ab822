"""`cache_stats` shows the statistics to people and to programs."""

from __future__ import annotations

import json
import os
from io import StringIO

import msgspec
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

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
def test_json_is_the_whole_report() -> None:
    assert json.loads(stats("--json")) == json.loads(json.dumps(msgspec.to_builtins(cache_report())))


def test_the_title_says_whose_figures_these_are(settings: Settings) -> None:
    assert f"Cache of host {cache_report().host}: local memory" in stats()
    assert f"Cache of process {os.getpid()}" in stats("--process")


@pytest.mark.django_db
def test_with_redis_the_title_names_it_and_a_sentence_tells_how_it_is(redis: object) -> None:
    assert "local memory and Redis" in stats()
    assert stats().rstrip().endswith("Redis is in use.")
    runtime.breaker.trip("a test")
    assert "Redis is left alone: a test." in stats()


@pytest.mark.django_db
def test_the_fleet_is_all_hosts_that_redis_knows(redis: object) -> None:
    assert "Cache of 1 host: local memory and Redis" in stats("--fleet")
    assert [host["host"] for host in json.loads(stats("--fleet", "--json"))["hosts"]] == [cache_report().host]


def test_one_scope_is_enough() -> None:
    with pytest.raises(CommandError, match="not allowed with"):
        stats("--fleet", "--process")


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
