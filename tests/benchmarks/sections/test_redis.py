"""Every row of Redis is measured, what is not installed is missed, and nothing is left behind."""

import pytest
from django.core.cache import caches

from benchmarks.results import OURS, Sample, Unable
from benchmarks.sections import redis as section
from benchmarks.world import ORG
from restaurant.profiles.models import BusinessProfile


@pytest.fixture(params=[True, False])
def quick(request):
    return request.param


@pytest.fixture
def rows(restaurant, tiny_bench, monkeypatch, quick):
    """The rows, of small batches."""
    tiny_bench.quick = quick
    monkeypatch.setattr(section, "_BATCH", 5)
    monkeypatch.setattr(section, "_AT_ONCE", 3)
    return {row.id: row for row in section.rows(tiny_bench)}


def test_all_rows_are_hits_in_redis_and_nothing_is_left(rows, quick):
    short = ("profile", "order", "balance", "bill", "active-body", "async", "bulk", "bulk-trips")
    assert list(rows) == [f"redis.{each}" for each in short]
    # They would not be measured otherwise.
    assert {name: type(row.samples[OURS]) for name, row in rows.items()} == dict.fromkeys(rows, Sample)
    assert all(target.peer in {"", *row.samples} for row in rows.values() for target in row.targets)
    unable = {name for row in rows.values() for name, each in row.samples.items() if isinstance(each, Unable)}
    assert unable == {"dogpile redis", "cashews redis", "cashews redis, its copy"} | (set() if quick else {"cacheops"})
    assert rows["redis.bulk-trips"].samples[OURS] == Sample((1.0,))
    assert [row.pk for row in BusinessProfile.objects.all()] == [ORG]
    assert caches["django-redis"].keys("*") == []


def test_commands_are_counted_but_those_of_threads_are_not(redis):
    before = section._commands(redis)

    redis.ping()
    redis.client_id()
    redis.get("nothing")
    redis.mget("nothing", "either")

    assert section._commands(redis) == before + 2


def test_a_body_that_is_not_ours_is_not_compared():
    same = section._rendered(lambda: [{"id": 1}], b'{"count": 1, "results": [{"id": 1}]}')
    other = section._rendered(lambda: [{"id": 1}], b'{"count": 1, "results": [{"id": 2}]}')

    assert same() == b'{"count":1,"results":[{"id":1}]}'
    assert isinstance(other, Unable)
    assert section._rendered(Unable("It is asleep."), b"") == Unable("It is asleep.")
