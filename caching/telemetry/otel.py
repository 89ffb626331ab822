"""The metrics through OpenTelemetry's API. Imports it: to be imported only where it may be missing.

Each process has a reader of its own, so each tells of itself alone, and whoever collects adds up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from django.db import connections
from opentelemetry import metrics as api

from caching.telemetry.metrics import METRICS, Metric, Sample, measure

__all__ = ["instrument"]

# Each metric is asked for by itself; those of one collection share one look at the figures.
_KEEP_SECONDS: Final = 0.5
_UNITS: Final = {"seconds": "s", "bytes": "By", "ratio": "1", "": "1"}


class Figures:
    """What this process last measured, for half a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: dict[Metric, list[Sample]] = {}
        self._until = 0.0

    def of(self, metric: Metric) -> list[Sample]:
        with self._lock:
            if time.monotonic() >= self._until:
                self._measured = _measure()
                self._until = time.monotonic() + _KEEP_SECONDS
            return self._measured[metric]


def _measure() -> dict[Metric, list[Sample]]:
    # The outbox is a table, and a reader's thread would keep a connection to its database for ever.
    opened = {each.alias for each in connections.all(initialized_only=True) if each.connection is not None}
    try:
        return measure("process")
    finally:
        for each in connections.all(initialized_only=True):
            if each.alias not in opened:
                each.close()


def instrument(meter: api.Meter | None = None) -> None:
    """Have the meter offer all metrics; without one that of the provider the project sets up, now or later."""
    meter = meter or api.get_meter("caching")
    figures = Figures()
    for metric in METRICS:
        create = meter.create_observable_counter if metric.kind == "counter" else meter.create_observable_gauge
        create(
            metric.opentelemetry_name,
            callbacks=[_observer(figures, metric)],
            unit=_UNITS[metric.unit],
            description=metric.meaning,
        )


def _observer(figures: Figures, metric: Metric) -> Callable[[api.CallbackOptions], Iterable[api.Observation]]:
    # Names that are OpenTelemetry's own convention: dotted, and whose they are.
    names = [f"caching.{label}" for label in metric.labels]

    def observe(_: api.CallbackOptions) -> Iterable[api.Observation]:
        return [api.Observation(value, dict(zip(names, labels, strict=True))) for labels, value in figures.of(metric)]

    return observe
