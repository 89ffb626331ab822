"""Caches of queries are measured elsewhere, and believed only if no query reached the database."""

from types import SimpleNamespace

import pytest

from benchmarks.peers import query_caches
from benchmarks.peers.query_caches import QueryCache
from benchmarks.results import Sample, Unable

VALUE = SimpleNamespace(name="profile")


class StandIn:
    """A worker that answers what it is told to."""

    def __init__(self):
        self.answers = {"keep": {}, "time": {"seconds": Sample((0.5,)), "queries": Sample((0.0,))}}
        self.asked = []
        self.ended = False

    def ask(self, question, *arguments):
        self.asked.append((question, *arguments))
        return self.answers[question]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended = True


@pytest.fixture
def worker(monkeypatch):
    """The worker that will be started; `started` is with what."""
    worker = StandIn()

    def start(place, module, **environment):
        worker.started = (place, module, environment)
        return worker

    monkeypatch.setattr(query_caches, "absence", lambda package, module: None)
    monkeypatch.setattr(query_caches, "Worker", start)
    return worker


def test_its_application_is_installed_in_its_process_alone(worker):
    cache = QueryCache("cacheops", "django-cacheops", "cacheops", "the place")

    assert worker.started == ("the place", "benchmarks.workers.queries", {"BENCH_APPS": "cacheops"})
    cache.close()
    assert worker.ended


def test_the_worker_keeps_the_value_and_times_its_reads(worker):
    reading = QueryCache("cacheops", "django-cacheops", "cacheops", None).reading(VALUE)

    assert reading.seconds_per_call(10) == 0.5
    assert reading.doubt() is None
    assert worker.asked == [("keep", "profile"), ("time", "profile", 10)]


def test_queries_of_any_round_are_a_reason_for_doubt(worker):
    reading = QueryCache("cacheops", "django-cacheops", "cacheops", None).reading(VALUE)

    worker.answers["time"] = {"seconds": Sample((0.5,)), "queries": Sample((2.0,))}
    reading.seconds_per_call(10)
    worker.answers["time"] = {"seconds": Sample((0.5,)), "queries": Sample((0.0,))}
    reading.seconds_per_call(10)

    assert reading.doubt() == Unable("Its hits sent 2 queries to the database.")


def test_what_is_not_kept_is_not_measured(worker):
    why = Unable("Each read of it sends 1 queries to the database.")
    worker.answers["keep"] = {"kept": why}

    assert QueryCache("cacheops", "django-cacheops", "cacheops", None).reading(VALUE) == why


def test_where_it_is_not_installed_no_process_is_started(without_peers):
    cache = QueryCache("cacheops", "django-cacheops", "cacheops", None)

    assert cache.reading(VALUE) == Unable("django-cacheops is not installed; `make bench` installs it.")
    cache.close()
