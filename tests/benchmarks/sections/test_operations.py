"""The twelve operations are measured on every database there is."""

import pytest

from benchmarks.postgres import PostgresUnavailable
from benchmarks.results import OURS, Sample, Target, Unable
from benchmarks.sections import operations as section
from benchmarks.workers import operations as worker
from benchmarks.workers.operations import DATABASE, FROM_REDIS

DATABASES = ("sqlite", "postgresql", "remote")


@pytest.fixture
def place(tiny_bench):
    place = tiny_bench.place
    place.database_copy = "sqlite:///{}".format
    place.postgres_url = "postgres://somewhere"
    return place


@pytest.fixture
def started(workers_in_process):
    return workers_in_process(section)


@pytest.fixture
def two(monkeypatch):
    """Two of the operations, and a database that is not so far away."""
    monkeypatch.setattr(section, "_OPERATIONS", {name: section._OPERATIONS[name] for name in ("profile", "batch")})
    monkeypatch.setattr(section, "_VARIANTS", [each._replace(far=each.far / 1000) for each in section._VARIANTS])


def test_operations_are_measured_on_all_databases(restaurant, tiny_bench, place, started, two):
    rows = {row.id: row for row in section.rows(tiny_bench)}

    assert list(rows) == [f"operations.{database}.{name}" for database in DATABASES for name in ("profile", "batch")]
    for row in rows.values():
        kinds = {name: type(sample) for name, sample in row.samples.items()}
        assert kinds == dict.fromkeys((OURS, FROM_REDIS, DATABASE), Sample), row.id
        assert row.note.startswith("Uncached: 1 query")
        # Of a batch the specification says nothing.
        assert list(row.targets) == ([Target("limit", 0.01)] if row.id.endswith(".profile") else [])
    assert [(environment["DATABASE_URL"], environment["CACHING_PREFIX"]) for _, environment in started] == [
        ("sqlite:///operations", "sqlite:"), ("postgres://somewhere", "postgresql:")
    ]  # fmt: skip


def test_all_twelve_have_the_limits_that_the_specification_gives_a_hit(restaurant):
    worker.prepared()

    assert {name: each.limit for name, each in section._OPERATIONS.items()} == {
        "profile": 0.01, "profiles": None, "lite": 0.01, "batch": None, "active": 0.05, "by-status": 0.05,
        "order": 0.05, "page": 0.05, "balance": 0.01, "summary": 0.02, "bill": 0.02, "checkout": None,
    }  # fmt: skip
    assert list(section._OPERATIONS) == list(worker.operations())


def test_without_postgresql_its_rows_say_why(restaurant, tiny_bench, place, started, two, monkeypatch):
    class NoServer(type(place)):
        @property
        def postgres_url(self):
            raise PostgresUnavailable("There is none.")

    del place.postgres_url
    monkeypatch.setattr(place, "__class__", NoServer)

    rows = {row.id: row for row in section.rows(tiny_bench)}

    for name, row in rows.items():
        unable = {each for each in row.samples.values() if isinstance(each, Unable)}
        assert unable == (set() if ".sqlite." in name else {Unable("There is none.")}), name
    assert len(rows) == len(DATABASES) * 2
    assert len(started) == 1


class TestNote:
    NEAR, _, FAR = section._VARIANTS
    SAMPLES = {OURS: Sample((0.001,)), FROM_REDIS: Sample((0.01,)), DATABASE: Sample((2.0,))}

    def test_it_tells_queries_and_improvement(self):
        assert section._note(self.SAMPLES, Sample((1.0,)), self.NEAR) == (
            "Uncached: 1 query. 2,000 times as fast from local memory, 200 times as fast from Redis"
        )

    def test_it_tells_what_stands_for_a_database_far_away(self):
        note = section._note(self.SAMPLES, Sample((3.0,)), self.FAR)

        assert note.startswith("Uncached: 3 queries, each made 50 ms longer, as if to another site. 2,000 times")

    def test_what_was_not_measured_is_not_compared(self):
        samples = {**self.SAMPLES, FROM_REDIS: Unable("No Redis.")}

        assert section._note(samples, Sample((3.0,)), self.NEAR).endswith("2,000 times as fast from local memory")
        assert section._note({**samples, DATABASE: Unable("No database.")}, None, self.NEAR) == ""
