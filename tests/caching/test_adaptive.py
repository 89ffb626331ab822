"""Adaptive times to live: longer for what does not change and is read, never out of bounds, never of money."""

from __future__ import annotations

import json
import math
from io import StringIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from caching.adaptive import _MOST_KEYS, Adaptive, adapted_ttl, ttl_report
from caching.api.serializers import RegionReportSerializer
from caching.reporting import cache_report
from caching.runtime import runtime
from caching.tiers.entry import LocalKey
from caching.tuning import Tuned
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop import cached
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

DECLARED = 100.0
BOUNDS = (25.0, 800.0)


def tuned(**options: Any) -> Tuned:
    times = {"local_ttl": DECLARED, "redis_ttl": DECLARED, "stale_for": 0.0, "soft_timeout": None}
    return Tuned("bistro", times, {}, **{"money": False, **options})


def key(name: object = "soup") -> LocalKey:
    return ("bistro", "default", "corner", name)


def batch(**counts: Any) -> Any:
    return SimpleNamespace(**{"hits": {}, "found": {}, **counts})


def lives(seen: Adaptive, clock: MovableClock, *bodies: bytes, after: float) -> list[float]:
    """Load bodies one after the other, with so many seconds between them; return the times they may live."""
    found = []
    for body in bodies:
        found.append(seen.loaded(tuned(), key(), body, DECLARED))
        clock.advance(after)
    return found


@pytest.fixture
def adaptive(settings: Settings, clock: MovableClock) -> Adaptive:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    runtime.clock = clock
    return Adaptive()


# --- the rule ---------------------------------------------------------------------------------------------------------


counts = st.floats(0, 1e6)


@given(
    declared=st.floats(0.001, 1e6),
    bounds=st.tuples(st.floats(0.001, 1e6), st.floats(0.001, 1e6)).map(sorted).map(tuple),
    changes=counts,
    reads=counts,
    seconds=st.floats(0, 1e9),
    may_lower=st.booleans(),
)
def test_whatever_was_seen_the_bounds_hold(declared: float, bounds: Any, may_lower: bool, **seen: float) -> None:
    ttl = adapted_ttl(declared, bounds, may_lower=may_lower, **seen)
    assert bounds[0] <= ttl <= bounds[1]


@given(changes=counts, reads=counts, seconds=st.floats(0, 1e9))
def test_without_redis_no_time_is_shorter_than_declared(**seen: float) -> None:
    assert adapted_ttl(DECLARED, BOUNDS, may_lower=False, **seen) >= DECLARED


def test_of_what_nothing_is_known_the_time_is_as_declared() -> None:
    assert adapted_ttl(DECLARED, BOUNDS, changes=0, reads=0, seconds=0, may_lower=True) == DECLARED


def test_without_a_change_it_is_the_alex_protocol() -> None:
    assert adapted_ttl(DECLARED, BOUNDS, changes=0, reads=5, seconds=300, may_lower=True) == DECLARED + 300


def test_the_more_changes_in_the_same_time_the_shorter() -> None:
    ttls = [adapted_ttl(1.0, (0.5, 800.0), changes=n, reads=9, seconds=300, may_lower=True) for n in range(6)]
    assert ttls == sorted(ttls, reverse=True)
    assert len(set(ttls)) == len(ttls)


# --- what is seen of a key --------------------------------------------------------------------------------------------


def test_what_stays_the_same_lives_longer_with_each_load_up_to_the_bound(
    adaptive: Adaptive, clock: MovableClock
) -> None:
    ttls = lives(adaptive, clock, *[b"same"] * 12, after=150)
    assert ttls[:2] == [DECLARED, DECLARED + 150]
    assert ttls == sorted(ttls)
    assert ttls[-1] < BOUNDS[1]
    assert lives(adaptive, clock, *[b"same"] * 3, after=790)[-1] == BOUNDS[1]


def test_what_changes_lives_as_declared_again(adaptive: Adaptive, clock: MovableClock) -> None:
    *_, quiet = lives(adaptive, clock, *[b"same"] * 6, after=150)
    *_, busy = lives(adaptive, clock, b"one", b"two", b"three", b"four", after=20)
    assert quiet > 2 * DECLARED
    assert busy == DECLARED


def test_absences_longer_than_the_longest_life_end_in_the_declared_time(
    adaptive: Adaptive, clock: MovableClock
) -> None:
    assert lives(adaptive, clock, *[b"same"] * 6, after=100_000)[3:] == [DECLARED] * 3


def test_one_night_does_not_make_a_busy_key_an_unread_one(adaptive: Adaptive, clock: MovableClock) -> None:
    lives(adaptive, clock, *[b"same"] * 6, after=200)
    clock.advance(100_000)
    assert lives(adaptive, clock, b"same", after=0) == [BOUNDS[1]]


def test_with_redis_what_is_hardly_read_lives_shorter_until_somebody_reads_it_again(
    redis: Any, settings: Settings, clock: MovableClock
) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    seen = Adaptive()
    *_, unread = lives(seen, clock, *[b"same"] * 6, after=10_000)
    assert unread == BOUNDS[0]

    clock.advance(-10_000 + BOUNDS[0] + 1)
    [again] = lives(seen, clock, b"same", after=0)
    assert again >= DECLARED


def test_hits_that_the_observer_tells_of_are_reads(redis: Any, settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    seen = Adaptive()
    *_, unread = lives(seen, clock, *[b"same"] * 6, after=10_000)
    hits = {key(): 64.0, key("never loaded"): 64.0}
    seen.observe(batch(hits=hits))
    [hit] = lives(seen, clock, b"same", after=10_000)
    for _ in range(5):
        seen.observe(batch(found={key(): 20}))
        [found] = lives(seen, clock, b"same", after=10_000)
    assert (unread, hit, found) == (BOUNDS[0], BOUNDS[1], BOUNDS[1])
    assert len(seen) == 1


def test_of_more_keys_than_it_has_room_for_it_forgets_those_loaded_longest_ago(adaptive: Adaptive) -> None:
    for number in range(_MOST_KEYS + 500):
        adaptive.loaded(tuned(), key(number), b"body", DECLARED)
        adaptive.loaded(tuned(), key("always"), b"body", DECLARED)
    assert len(adaptive) == _MOST_KEYS
    assert list(adaptive._records)[-1] == hash(key("always"))
    assert hash(key(0)) not in adaptive._records
    assert not any("corner" in repr(record) for record in adaptive._records.values())


# --- bounds and money -------------------------------------------------------------------------------------------------


def test_bounds_are_the_settings_or_the_declared_or_follow_the_declared_times(settings: Settings) -> None:
    assert tuned().bounds_of(DECLARED) == BOUNDS
    assert tuned(ttl_bounds=(50, 60)).bounds_of(DECLARED) == (50, 60)
    settings.CACHING = {"REGIONS": {"bistro": {"ttl_bounds": (70, 80)}}}
    assert tuned(ttl_bounds=(50, 60)).bounds_of(DECLARED) == (70, 80)
    settings.CACHING = {"REGIONS": {"bistro": {"ttl_bounds": None}}}
    assert tuned(ttl_bounds=(50, 60)).bounds_of(DECLARED) == BOUNDS


def test_money_is_never_adapted_whatever_is_configured(settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {"ADAPTIVE_TTL": True, "REGIONS": {"bistro": {"ttl_bounds": (1, 9000)}}}
    money = tuned(money=True, ttl_bounds=(1, 9000))
    for _ in range(5):
        assert money.local_life(key(), b"same") == money.redis_life(key(), b"same") == DECLARED
        assert money.copy_life(5000) == DECLARED
        clock.advance(300)
    assert len(runtime.adaptive) == 0


def test_switched_off_nothing_is_adapted_or_remembered(settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {"ADAPTIVE_TTL": False}
    for _ in range(5):
        assert tuned().local_life(key(), b"same") == tuned().redis_life(key(), b"same") == DECLARED
        clock.advance(300)
    assert tuned().copy_life(5000) == DECLARED
    assert len(runtime.adaptive) == 0


def test_a_copy_lives_longer_in_proportion_and_within_bounds(settings: Settings) -> None:
    settings.CACHING = {"ADAPTIVE_TTL": True}
    region = tuned()
    assert [region.copy_life(life) for life in (10, 100, 200, 9000)] == [DECLARED, DECLARED, 200, BOUNDS[1]]
    assert tuned(ttl_bounds=(120, 150)).copy_life(10) == 120
    assert tuned(ttl_bounds=(120, 150)).copy_life(1000) == 150


# --- both tiers -------------------------------------------------------------------------------------------------------


def reads(clock: MovableClock, times: int, after: float, read: Any) -> int:
    """Read so many times, with so many seconds between; return how often the database was asked."""
    before = cached.shop.counters.misses + cached.menu.counters.misses
    for _ in range(times):
        read()
        clock.advance(after)
    return cached.shop.counters.misses + cached.menu.counters.misses - before


def test_a_key_that_does_not_change_is_loaded_more_and_more_rarely(settings: Settings, clock: MovableClock) -> None:
    shop_of("corner")
    settings.CACHING = {**settings.CACHING, "REGIONS": {"shop": {"local_ttl": 100}}}
    fixed = reads(clock, 60, 20, lambda: cached.shop.get("corner"))
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    adaptive = reads(clock, 60, 20, lambda: cached.shop.get("corner"))
    assert (fixed, adaptive) == (12, 4)


def test_a_list_lives_longer_with_what_it_is_made_of(settings: Settings, clock: MovableClock) -> None:
    shop_of("corner")
    Dish.objects.create(shop_id="corner", name="soup")
    regions = {name: {"local_ttl": 100} for name in ("menu", "dish")}
    settings.CACHING = {**settings.CACHING, "REGIONS": regions}
    fixed = reads(clock, 60, 20, lambda: cached.menu.get("corner"))
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    adaptive = reads(clock, 60, 20, lambda: cached.menu.get("corner"))
    assert fixed == 12
    assert adaptive <= 6


def test_what_is_written_is_seen_at_once_however_long_it_would_live(
    tiers: str, settings: Settings, clock: MovableClock
) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    shop = shop_of("corner")
    for _ in range(5):
        cached.shop.get("corner")
        clock.advance(5000)
    shop.name = "another"
    shop.save()
    assert cached.shop.get("corner").name == "another"


def test_a_missing_row_is_remembered_as_briefly_as_ever(settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True, "NEGATIVE_TTL": 10.0}
    assert reads(clock, 20, 11, lambda: cached.shop.get("nobody")) == 20
    assert len(runtime.adaptive) == 0


def values(redis: Any) -> list[bytes]:
    return [name for name in redis.keys("*") if redis.type(name) == b"string" and redis.ttl(name) > 60]


def test_redis_keeps_for_as_long_as_was_learnt(redis: Any, settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True, "TTL_JITTER": 0.0}
    shop_of("corner")
    kept = []
    for _ in range(4):
        cached.shop.get("corner")
        [name] = values(redis)
        kept.append(redis.ttl(name))
        # As Redis does when its time has come, which is not this clock's.
        redis.delete(name)
        clock.advance(4000)
    assert kept == sorted(kept)
    assert kept[0] <= 3600 < kept[1]
    assert kept[-1] <= 3600 * 8


def test_a_copy_of_what_lives_longer_in_redis_lives_longer_here_too(
    redis: Any, settings: Settings, clock: MovableClock
) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True, "TTL_JITTER": 0.0}
    hears: Any = SimpleNamespace(heard_until=math.inf, tracking=True, stop=lambda: None)
    runtime.listener = hears
    shop_of("corner")
    loaded, found, direct = [], [], []
    for _ in range(3):
        for copies, forget in (
            (loaded, runtime.drop_local),
            (found, lambda: runtime.local.discard(runtime.find(cached.shop.key("corner").local))),
            (direct, runtime.drop_local),
        ):
            cached.shop.get("corner")
            copies.append(left(clock))
            # The next read finds it in Redis, as another process does: the long way, then with known epochs.
            forget()
        redis.delete(*values(redis))
        clock.advance(4000)
    assert loaded == pytest.approx(found)
    assert loaded == pytest.approx(direct)
    assert loaded == pytest.approx([300.0, 300 * 7600 / 3600, 300 * 9600 / 3600])
    assert cached.shop.counters.redis_hits == 6


def left(clock: MovableClock) -> float:
    entry = runtime.find(cached.shop.key("corner").local)
    assert entry is not None
    return entry.expires - clock.now()


def test_without_news_of_other_hosts_copies_live_as_briefly_as_ever(
    redis: Any, settings: Settings, clock: MovableClock
) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    shop_of("corner")
    for _ in range(3):
        cached.shop.get("corner")
        assert left(clock) == pytest.approx(2.0)
        redis.delete(*values(redis))
        clock.advance(4000)


# --- what operators read ----------------------------------------------------------------------------------------------


def test_operators_read_which_times_are_in_use_and_why(adaptive: Adaptive, clock: MovableClock) -> None:
    nothing = ttl_report(tuned(), adaptive.lives().get("bistro", {}))
    assert nothing is not None
    assert (nothing.keys, nothing.least, nothing.most) == (0, DECLARED, DECLARED)
    assert nothing.why == "Nothing was loaded yet: 100 s."
    for name in ("once", "never"):
        adaptive.loaded(tuned(), key(name), b"body", DECLARED)
    lives(adaptive, clock, *[b"same"] * 6, after=200)

    report = ttl_report(tuned(), adaptive.lives().get("bistro", {}))

    assert report is not None
    assert (report.adaptive, report.keys, report.raised, report.lowered) == (True, 3, 1, 0)
    assert (report.least, report.median, report.bounds) == (DECLARED, DECLARED, BOUNDS)
    assert DECLARED < report.most <= BOUNDS[1]
    assert report.why == (
        f"33% of the keys were read again and had not changed: raised to {report.most:.0f} s at most (bound: 800 s); "
        "67% changed too often, or were seen too little: 100 s as declared."
    )


def test_of_money_they_read_that_nothing_is_adapted(adaptive: Adaptive) -> None:
    report = ttl_report(tuned(money=True), {})
    assert report is not None
    assert (report.adaptive, report.least, report.most) == (False, DECLARED, DECLARED)
    assert report.why == "Money: always 100 s."


def test_of_fixed_times_there_is_no_report(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": False}
    assert ttl_report(tuned(), {}) is None
    assert Shop.objects.count() == 0


def test_reports_the_api_and_the_command_tell_of_them(settings: Settings, clock: MovableClock) -> None:
    shop_of("corner")
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    reads(clock, 4, 400, lambda: cached.shop.get("corner"))

    found = cache_report(scope="process").region("shop")

    assert found.ttl is not None
    assert (found.ttl.keys, found.ttl.raised) == (1, 1)
    assert RegionReportSerializer(found).data["ttl"] == {**msgspec.to_builtins(found.ttl), "bounds": [75.0, 2400.0]}
    printed = StringIO()
    runtime.usage.share()
    call_command("cache_stats", stdout=printed)
    assert f"shop, times to live: {found.ttl.why}" in " ".join(printed.getvalue().split())
    printed = StringIO()
    call_command("cache_stats", "--json", stdout=printed)
    [shop] = [each for each in json.loads(printed.getvalue())["regions"] if each["name"] == "shop"]
    assert shop["ttl"]["why"] == found.ttl.why


def test_the_processes_of_a_host_are_added_up(settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {**settings.CACHING, "ADAPTIVE_TTL": True}
    shop_of("corner")
    reads(clock, 4, 400, lambda: cached.shop.get("corner"))
    runtime.usage.share()
    block = runtime.statistics.block
    # Its place is taken by another process: what it said stands there as another's.
    with patch.object(type(runtime.statistics), "others", lambda _: [block]):
        both = cache_report().region("shop").ttl
        clock.advance(11)
        gone = cache_report().region("shop").ttl
    assert both is not None
    assert gone is not None
    assert (both.keys, both.raised, gone.keys) == (2, 2, 1)
