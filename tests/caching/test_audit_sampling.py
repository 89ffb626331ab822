"""Which hits are audited, how many, and at what price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from caching.activity import Batch
from caching.audit import Auditor, Judge, Verdict, Violation
from caching.keys import Key
from caching.registry import registry
from caching.runtime import runtime
from caching.tiers.entry import LocalKey
from tests.caching.auditing import TEA, counted, heard, named
from tests.caching.operators import rename_unnoticed, shop_of
from tests.conftest import MovableClock
from tests.shop.cached import shop, tally
from tests.shop.models import Shop

SEED = 11


class Judged(Judge):
    """Notes what it is to look at; each look costs a read of the database."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[Key] = []

    def look(self, key: Key) -> Verdict:
        self.looked.append(key)
        self.reads += 1
        return Verdict.CONSISTENT


class Costly(Judged):
    """Has many suspects, each of which costs a read."""

    def judge(self) -> list[tuple[Key, Verdict]]:
        self.reads += 30
        return []


@pytest.fixture
def auditor() -> Auditor:
    auditor = Auditor()
    auditor._chance.seed(SEED)
    auditor.judge = Judged()
    return auditor


def looked(auditor: Auditor) -> list[Key]:
    assert isinstance(auditor.judge, Judged)
    return auditor.judge.looked


def batch(hits: dict[LocalKey, float], found: dict[LocalKey, int] | None = None, *, seconds: float = 1.0) -> Batch:
    nothing: dict[str, Any] = {name: {} for name in Batch.__struct_fields__}
    return Batch(**{**nothing, "seconds": seconds, "hits": hits, "found": found or {}})


def shops(count: int, hits: float = 1.0) -> dict[LocalKey, float]:
    return {("shop", "default", f"shop{number}"): hits for number in range(count)}


def audited_at(settings: Any, rate: float, per_minute: float = 1_000_000, **regions: float) -> None:
    own = {name: {"audit_rate": its} for name, its in regions.items()}
    settings.CACHING = {
        **settings.CACHING,
        "AUDIT_RATE": rate,
        "AUDIT_PER_MINUTE": per_minute,
        "REGIONS": own,
        "LOCAL_TTL_WITHOUT_TRACKING": 2.0,
    }


# --- which ------------------------------------------------------------------------------------------------------------


def test_at_rate_one_every_key_that_was_hit_is_audited_once(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 1.0)

    auditor.observe(batch({("shop", "default", "tea"): 640.0}, {("tally", "other", "tea", "main"): 2}))

    assert looked(auditor) == [TEA, Key("tally", "tea", ("main",), "other")]


def test_at_rate_zero_nothing_is(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 0.0)
    auditor.observe(batch(shops(100, 1000.0)))

    assert looked(auditor) == []


def test_a_region_may_have_a_rate_of_its_own(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 0.0, tally=1.0)
    auditor.observe(batch({**shops(100), ("tally", "default", "tea", "main"): 1.0}))

    assert looked(auditor) == [Key("tally", "tea", ("main",))]


def test_the_share_of_hits_that_is_audited_is_the_rate(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 0.1)
    auditor.observe(batch(shops(2_000)))
    # 200 are expected; six standard deviations are 80.
    assert 120 < len(looked(auditor)) < 280


def test_what_is_hit_often_is_audited_often(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 0.01)
    auditor.observe(batch(shops(2_000, 100.0)))
    # One of its hits is drawn with a chance of 63 %.
    assert 1_140 < len(looked(auditor)) < 1_390


def test_hits_of_redis_count_as_those_of_local_memory(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 0.5)
    found = dict.fromkeys(shops(50), 20)
    auditor.observe(batch({}, found))

    assert len(looked(auditor)) == 50


# --- how many ---------------------------------------------------------------------------------------------------------


def test_no_more_is_read_than_is_allowed_in_a_minute(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 1.0, per_minute=60)
    for _ in range(60):
        auditor.observe(batch(shops(50)))

    assert len(looked(auditor)) == 60


def test_what_was_not_needed_is_made_up_for_within_bounds(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 1.0, per_minute=60)
    auditor.observe(batch({}, seconds=3600))
    auditor.observe(batch(shops(50)))

    assert len(looked(auditor)) == 10


def test_when_not_all_can_be_audited_chance_chooses(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 1.0, per_minute=600)
    for _ in range(20):
        auditor.observe(batch(shops(100)))

    assert len({key.org for key in looked(auditor)}) > 60


def test_nothing_allowed_is_nothing_audited(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 1.0, per_minute=0)
    for _ in range(10):
        auditor.observe(batch(shops(50), seconds=60))

    assert looked(auditor) == []


def test_suspects_are_paid_for_by_later_samples(auditor: Auditor, settings: Any) -> None:
    audited_at(settings, 1.0, per_minute=60)
    auditor.judge = Costly()
    auditor.observe(batch(shops(50)))
    auditor.observe(batch(shops(50), seconds=10))

    assert looked(auditor) == []


# --- all of it --------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop_never_hears(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The shop's invalidation is switched off, and nobody else's."""
    monkeypatch.setattr(shop, "fresh_on", ())
    registry._forget_derived()
    yield
    monkeypatch.undo()
    registry._forget_derived()


def observed(clock: MovableClock, seconds: int = 10) -> list[Violation]:
    """Read as the site does, and have the observer go its rounds; return the alarms."""
    with heard() as alarms:
        for _ in range(seconds):
            for _ in range(64):
                named()
                tally.get("tea", "main")
            runtime.observer.tick()
            clock.advance(1.0)
    return alarms


@pytest.mark.django_db(transaction=True)
def test_a_region_whose_invalidation_is_switched_off_is_found_out(
    tiers: str, clock: MovableClock, settings: Any, shop_never_hears: None, caplog: pytest.LogCaptureFixture
) -> None:
    audited_at(settings, 1.0)
    runtime.clock = clock
    row = shop_of("tea", "old")
    assert observed(clock) == []

    row.name, row.rate = "new", 7
    row.save()
    assert named() == "old"

    assert [(each.region, each.key, each.evicted) for each in observed(clock)] == [("shop", TEA.name, True)]
    assert named() == "new"
    assert counted()[1] == 1
    assert "shop" in caplog.text
    # Its neighbour hears, and was audited as well.
    assert counted(tally)[0] > 0
    assert counted(tally)[1] == 0


@pytest.mark.django_db(transaction=True)
def test_a_write_around_the_models_is_found_out(tiers: str, clock: MovableClock, settings: Any) -> None:
    audited_at(settings, 1.0)
    runtime.clock = clock
    shop_of("tea", "old")
    named()
    rename_unnoticed()

    assert [each.region for each in observed(clock)] == ["shop"]
    assert named() == "new"


@pytest.mark.django_db(transaction=True)
def test_ordinary_writes_raise_no_alarm(tiers: str, clock: MovableClock, settings: Any) -> None:
    audited_at(settings, 1.0)
    runtime.clock = clock
    row = shop_of("tea", "old")
    for number in range(5):
        row.name = f"number {number}"
        row.save()
        assert observed(clock, 2) == []
    Shop.objects.all().delete()

    assert observed(clock, 5) == []
    assert counted()[0] > 0
