"""OpenTelemetry gets the metrics that Prometheus gets, of this process alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from caching.telemetry import otel
from caching.telemetry.metrics import METRICS, measure
from caching.telemetry.otel import instrument
from tests.shop import cached


@pytest.fixture
def reader() -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    instrument(provider.get_meter("caching"))
    yield reader
    provider.shutdown()


def collected(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Return the metrics by their names."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def points(metric: Any) -> dict[tuple[Any, ...], float]:
    return {tuple(point.attributes.values()): point.value for point in metric.data.data_points}


@pytest.mark.django_db
def test_every_metric_is_offered_with_its_unit_and_figures(redis: Any, reader: InMemoryMetricReader) -> None:
    cached.shop.counters.local_hits = 7
    cached.shop.counters.load_ns = 1_500_000_000

    found = collected(reader)

    with_figures = {metric: samples for metric, samples in measure("process").items() if samples}
    assert set(found) == {metric.opentelemetry_name for metric in with_figures}
    for metric, samples in with_figures.items():
        assert points(found[metric.opentelemetry_name]) == dict(samples)
        assert found[metric.opentelemetry_name].description == metric.meaning
    assert points(found["caching.requests"])["shop", "local"] == 7
    assert points(found["caching.load"])["shop",] == 1.5
    assert (found["caching.load"].unit, found["caching.local.memory"].unit) == ("s", "By")
    assert {name for point in found["caching.requests"].data.data_points for name in point.attributes} == {
        "caching.region",
        "caching.tier",
    }


def test_counters_only_grow_and_gauges_do_not(reader: InMemoryMetricReader) -> None:
    found = collected(reader)

    for metric in METRICS:
        if metric.opentelemetry_name in found:
            is_sum = getattr(found[metric.opentelemetry_name].data, "is_monotonic", False)
            assert is_sum is (metric.kind == "counter")


def test_one_collection_looks_once_and_the_next_looks_again(
    reader: InMemoryMetricReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    monkeypatch.setattr(otel, "measure", lambda whose: looks.append(whose) or measure(whose))
    monkeypatch.setattr(otel, "_KEEP_SECONDS", 3600)
    collected(reader)
    assert looks == ["process"]

    monkeypatch.setattr("caching.telemetry.otel.time.monotonic", lambda: 10.0**9)
    cached.shop.counters.misses = 3
    assert points(collected(reader)["caching.requests"])["shop", "database"] == 3
    assert looks == ["process", "process"]


@pytest.mark.sql  # elsewhere the driver has one pool for all threads
@pytest.mark.django_db(transaction=True)
def test_a_readers_thread_keeps_no_connection_to_the_database(redis: Any, reader: InMemoryMetricReader) -> None:
    left_open = []

    def collect() -> None:
        assert points(collected(reader)["caching.outbox.depth"]) == {(): 0}
        left_open.append(connection.connection)

    thread = threading.Thread(target=collect)
    thread.start()
    thread.join()

    assert left_open == [None]


@pytest.mark.django_db
def test_a_connection_that_was_open_stays_open(redis: Any, reader: InMemoryMetricReader) -> None:
    connection.ensure_connection()

    collected(reader)

    assert connection.connection is not None


@pytest.mark.parametrize("installed", [True, False])
def test_the_app_offers_them_where_there_is_opentelemetry(installed: bool) -> None:
    program = f"""
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
if not {installed}:
    sys.modules["opentelemetry"] = None
import django
django.setup()
print("caching.telemetry.otel" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(installed)
