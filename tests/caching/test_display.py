"""People read figures in few digits, and a dash where there is nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from pytest_django.fixtures import Settings

from caching.display import (
    counted_since,
    duration,
    health,
    health_tiles,
    host_row,
    local_memory,
    milliseconds,
    rate,
    region_row,
    server_name,
    total_row,
    value_count,
)
from caching.reporting import BreakerReport, HostReport, ListenerReport, OutboxReport, cache_report
from caching.runtime import runtime
from tests.shop import cached

DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, DASH), (0.0004, "0.4 µs"), (0.25, "250.0 µs"), (8.53, "8.5 ms"), (1234.5, "1,234.5 ms")]
)
def test_times_are_shown_in_the_unit_that_fits(value: float, text: str) -> None:
    assert milliseconds(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, DASH), (2, "2 s"), (90, "90 s"), (300, "5 min"), (0.5, "0.5 s")])
def test_times_to_live_are_shown_in_minutes_when_they_are_whole(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_region_without_requests_and_target_shows_dashes() -> None:
    row = region_row(cache_report().region("shop"))

    assert (row["requests"], row["hit_rate"], row["target"], row["is_low"]) == ("0", DASH, DASH, False)
    assert (row["evictions"], row["redis_ttl"], row["avg_access"]) == ("", DASH, DASH)


def test_a_busy_region_below_its_target_is_marked() -> None:
    cached.shop.counters.local_hits = 1500
    cached.shop.counters.misses = 500
    cached.shop.counters.evictions = 1200
    region = replace(cache_report().region("shop"), target=0.95, meets_target=False)

    row = region_row(region)

    assert (row["requests"], row["hit_rate"], row["target"], row["is_low"]) == ("2,000", "75.00%", "95%", True)
    assert row["evictions"] == "1,200"


def test_one_value_is_no_plural() -> None:
    assert [value_count(count) for count in (0, 1, 2000)] == ["0 values", "1 value", "2,000 values"]


@pytest.mark.parametrize(
    ("breaker", "listener", "depth", "sentences"),
    [
        ("closed", "listening", 0, ["Redis is in use.", "Other hosts' changes are heard, 1.5 ms behind."]),
        (
            "open",
            "connecting",
            2000,
            [
                "Redis is left alone: no answer.",
                "Other hosts' changes are not heard: local memory is out of use until they are.",
                "2,000 invalidations wait for Redis, the oldest for 90 s.",
            ],
        ),
        (
            "half-open",
            "without tracking",
            None,
            [
                "Redis is just being tried again.",
                "Redis tells nobody of other hosts' changes, so local copies live briefly.",
                "The outbox cannot be read.",
            ],
        ),
    ],
)
def test_the_state_of_redis_is_said_in_sentences(
    breaker: str, listener: str, depth: int | None, sentences: list[str]
) -> None:
    report = replace(
        cache_report(),
        breaker=BreakerReport(state=breaker, since=0.0, trips=1, why="no answer"),
        listener=ListenerReport(state=listener, lag_ms=1.5, heard=0, reconnects=0),
        outbox=OutboxReport(depth=depth, oldest_seconds=90.4, delivered=0, is_relay=True),
    )
    assert health(report) == sentences


def test_without_redis_nothing_is_said_of_it() -> None:
    assert health(cache_report()) == []


def test_expired_values_that_were_served_are_shown() -> None:
    cached.shop.counters.stale = 1200
    assert region_row(cache_report().region("shop"))["stale"] == "1,200"


def test_a_region_that_served_old_values_is_marked() -> None:
    row = region_row(cache_report().region("shop"))
    assert (row["consistency"], row["is_inconsistent"]) == ("not audited yet", False)

    cached.shop.counters.audited, cached.shop.counters.violations = 10, 2

    row = region_row(cache_report().region("shop"))
    assert (row["consistency"].startswith("less than 1 nine"), row["is_inconsistent"]) == (True, True)


def tiles_of(**fields: object) -> dict[str, tuple[str, str]]:
    report = replace(cache_report(), **fields)
    return {tile["name"]: (tile["state"], tile["word"]) for tile in health_tiles(report)}


def test_without_redis_nothing_is_wrong() -> None:
    assert tiles_of() == {
        "redis": ("off", "Not configured"),
        "breaker": ("off", "Not needed"),
        "listener": ("off", "Not needed"),
        "outbox": ("off", "Not needed"),
    }


@pytest.mark.parametrize(
    ("state", "redis", "breaker"),
    [
        ("closed", ("good", "In use"), ("good", "Closed")),
        ("open", ("bad", "Left alone"), ("bad", "Open")),
        ("half-open", ("warning", "Tried again"), ("warning", "Half open")),
    ],
)
def test_health_tells_of_redis_and_the_breaker(state: str, redis: tuple[str, str], breaker: tuple[str, str]) -> None:
    tiles = tiles_of(redis=True, breaker=BreakerReport(state=state, since=0, trips=2, why="no answer"))

    assert (tiles["redis"], tiles["breaker"]) == (redis, breaker)
    assert tiles["listener"] == ("warning", "Not running")


@pytest.mark.parametrize(
    ("depth", "tile"),
    [(0, ("good", "Empty")), (None, ("bad", "Unreadable")), (2000, ("warning", "2,000 waiting"))],
)
def test_health_tells_of_the_outbox(depth: int | None, tile: tuple[str, str]) -> None:
    outbox = OutboxReport(depth=depth, oldest_seconds=None, delivered=0, is_relay=True)

    assert tiles_of(outbox=outbox)["outbox"] == tile


def test_health_says_whose_it_is_also_where_all_servers_are_added_up() -> None:
    assert {tile["whose"] for tile in health_tiles(cache_report(scope="fleet"))} == {""}
    report = replace(
        cache_report(scope="fleet"),
        redis=True,
        breaker=BreakerReport(state="closed", since=0, trips=0, why=""),
        listener=ListenerReport(state="listening", lag_ms=1.0, heard=0, reconnects=0),
        outbox=OutboxReport(depth=0, oldest_seconds=None, delivered=0, is_relay=True),
    )

    assert {tile["name"]: tile["whose"] for tile in health_tiles(report)} == {
        "redis": "this server",
        "breaker": "this server",
        "listener": "this server",
        "outbox": "all servers",
    }


@pytest.mark.parametrize(
    ("state", "tile"),
    [
        ("listening", ("good", "Listening")),
        ("connecting", ("bad", "Connecting")),
        ("without tracking", ("warning", "Without tracking")),
    ],
)
def test_health_tells_of_the_listener(state: str, tile: tuple[str, str]) -> None:
    assert tiles_of(listener=ListenerReport(state=state, lag_ms=1.0, heard=0, reconnects=0))["listener"] == tile


def test_all_regions_together_are_their_sums() -> None:
    cached.shop.counters.local_hits = 3
    cached.menu.counters.misses = 1

    row = total_row(runtime.statistics.host())

    assert (row["requests"], row["hit_rate"], row["local_share"], row["miss_share"]) == (
        "4",
        "75.00%",
        "75.0%",
        "25.0%",
    )


def test_what_is_rare_is_told_where_it_happened() -> None:
    cached.shop.counters.refused = 1200

    assert region_row(cache_report().region("shop"))["more"] == [("Loads not kept", "1,200")]
    assert region_row(cache_report().region("menu"))["more"] == []


def test_what_was_loaded_ahead_is_told_with_its_precision_and_recall() -> None:
    counters = cached.shop.counters
    counters.prefetched, counters.prefetch_hits, counters.misses = 1200, 900, 300

    more = dict(region_row(cache_report().region("shop"))["more"])

    assert more["Loaded ahead"] == (
        "900 of 1,200 were asked for (75%), which are 75% of the reads that would have missed"
    )


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.04/s"), (12.34, "12.3/s"), (1234.5, "1,234/s")])
def test_rates_have_few_digits(value: float, text: str) -> None:
    assert rate(value) == text


def told(**changed: object) -> HostReport:
    host = HostReport(
        host="b",
        id="3fa9c1d2e4b5a697",
        since=1_000_000.0,
        seconds_ago=4.2,
        requests=4,
        hit_rate=0.75,
        bytes=2048,
        breaker="closed",
        listener="",
        lag_ms=None,
    )
    return replace(host, **changed)


def test_servers_of_one_name_are_told_apart() -> None:
    assert server_name("b", "3fa9c1d2") == "b · 3fa9c1"
    assert host_row(told())["host"] != host_row(told(id="77b2aa0011223344"))["host"]


@pytest.mark.parametrize(
    ("since", "hosts", "words"),
    [
        (1_000_000.0, (), "since 1970-01-12 13:46"),
        (1_000_000.0, (told(),), "since 1970-01-12 13:46"),
        (1_000_000.0, (told(), told()), "since 1970-01-12 13:46, by each server since it began"),
        (None, (told(),), "since the servers began, which is not known"),
    ],
)
def test_it_is_said_since_when_is_counted(since: float | None, hosts: tuple[HostReport, ...], words: str) -> None:
    assert counted_since(replace(cache_report(), since=since, hosts=hosts)) == words


def test_a_host_of_an_earlier_release_does_not_say_since_when_it_counts() -> None:
    assert host_row(told(since=None))["since"] == DASH


def test_another_host_is_shown_with_what_it_told() -> None:
    row = host_row(told())

    assert (row["host"], row["since"]) == ("b · 3fa9c1", "1970-01-12 13:46")
    assert (row["ago"], row["hit_rate"], row["memory"], row["listener"]) == ("4 s ago", "75.00%", "2.0\xa0KB", DASH)


def test_adaptive_times_in_use_are_told_with_their_reason(settings: Settings) -> None:
    assert region_row(cache_report().region("shop"))["more"] == []
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    assert region_row(cache_report().region("shop"))["more"] == []
    runtime.adaptive.loaded(cached.shop, ("shop", "default", "tea"), b"tea", 300.0)

    [(label, text)] = region_row(cache_report().region("shop"))["more"]

    assert label == "Adaptive time to live on this server"
    assert text == "5 min. 100% changed too often, or were seen too little: 300 s as declared."


@pytest.mark.parametrize(
    ("is_on", "state", "words"),
    [
        (True, None, "on"),
        (True, "listening", "on"),
        (True, "without tracking", "on"),
        (True, "connecting", "out of use until other servers' changes are heard"),
        (False, "connecting", "off"),
    ],
)
def test_local_memory_is_not_called_on_while_it_is_out_of_use(is_on: bool, state: str | None, words: str) -> None:
    listener = None if state is None else ListenerReport(state=state, lag_ms=None, heard=0, reconnects=0)

    assert local_memory(replace(cache_report(), local_memory=is_on, listener=listener)) == words
