"""The one definition of the metrics: what each is called and means, and where its figures come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from caching.consistency import Consistency
from caching.reporting import CacheReport, RegionReport, cache_report
from caching.runtime import runtime

__all__ = ["METRICS", "Metric", "Sample", "measure"]

#: "host": all processes of this host, as one answers for all; "process": for exporters that each process has.
Whose = Literal["host", "process"]


class Sample(NamedTuple):
    """A figure, and the values of its metric's labels in their order."""

    labels: tuple[str, ...]
    value: float


class Metric(msgspec.Struct, frozen=True):
    """A metric: its dotted name below `caching.`, what it means, its labels and its unit ("", "seconds", "bytes").

    A counter only grows as long as the host runs; a gauge is what is so at the moment.
    """

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()
    unit: str = ""

    @property
    def prometheus_name(self) -> str:
        """The name by Prometheus' conventions: with its unit, and `_total` for a counter."""
        parts = ("caching", *self.name.split("."), *([self.unit] if self.unit else []))
        return "_".join([*parts, "total"] if self.kind == "counter" else parts)

    @property
    def opentelemetry_name(self) -> str:
        """The name by OpenTelemetry's conventions, which know units without it."""
        return f"caching.{self.name}"


def _counter(name: str, meaning: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name, "counter", meaning, ("region", *labels), unit)


#: Metrics of `caching.stats.COUNTERS`, and which of these they hold by the values of their labels behind the region.
_FROM_COUNTERS: Final[Mapping[Metric, Mapping[tuple[str, ...], str]]] = {
    _counter("requests", "Reads by the tier that answered.", "tier"): {
        ("local",): "local_hits",
        ("redis",): "redis_hits",
        ("database",): "misses",
    },
    _counter("joined", "Reads that took what another read was just getting."): {(): "joined"},
    _counter("stale.served", "Expired values served while the database failed or was slow."): {(): "stale"},
    _counter("refreshes", "Loads made shortly before a value expired."): {(): "refreshed"},
    _counter("bypassed", "Reads that may not use the cache: of a transaction that has written, or beside a writer."): {
        (): "bypassed"
    },
    _counter("loads", "Loads from the database."): {(): "loads"},
    _counter("load", "Time that loads took.", unit="seconds"): {(): "load_ns"},
    _counter("fills.refused", "Loaded values that were not kept, because a write came in between."): {(): "refused"},
    _counter("redis.values.rejected", "Values in Redis of another epoch, schema or key, or damaged."): {(): "rejected"},
    _counter("redis.values.undecryptable", "Of these, values that encryption refused: not encrypted, or not by us."): {
        (): "undecryptable"
    },
    _counter("redis.errors", "Round trips that Redis did not answer."): {(): "errors"},
    _counter("invalidations", "Keys and scopes made stale: by writers here, or told by Redis.", "direction"): {
        ("sent",): "invalidations",
        ("received",): "received",
    },
    _counter("evictions", "Values that gave way to others in local memory."): {(): "evictions"},
    _counter("audited", "Hits that the auditor compared with the database."): {(): "audited"},
    _counter("violations", "Audited hits that were older than the database allowed."): {(): "violations"},
    _counter("prefetched", "Values loaded before anybody asked."): {(): "prefetched"},
    _counter("prefetch.hits", "Prefetched values that were asked for then."): {(): "prefetch_hits"},
    _counter("timed.reads", "Reads that were timed: a sample of the local ones.", "tier"): {
        ("local",): "local_samples",
        ("redis",): "redis_samples",
        ("database",): "miss_samples",
    },
    _counter("timed.read", "Time that the timed reads took.", "tier", unit="seconds"): {
        ("local",): "local_ns",
        ("redis",): "redis_ns",
        ("database",): "miss_ns",
    },
    # What is held is no counter of events.
    Metric("local.entries", "gauge", "Values in local memory.", ("region",)): {(): "entries"},
    Metric("local.memory", "gauge", "Size of local memory.", ("region",), "bytes"): {(): "bytes"},
}


def _of_regions(
    figure: Callable[[RegionReport], Iterable[tuple[tuple[str, ...], float | None]]],
) -> Callable[[CacheReport], Iterator[Sample]]:
    def samples(report: CacheReport) -> Iterator[Sample]:
        for region in report.regions:
            for labels, value in figure(region):
                if value is not None:
                    yield Sample((region.name, *labels), value)

    return samples


def _nines(found: Consistency) -> int | None:
    # Without a violation none is what too few audits show: no reason for an alarm.
    return found.nines if found.nines or found.violations else None


def _single(figure: Callable[[CacheReport], float | None]) -> Callable[[CacheReport], Iterator[Sample]]:
    def samples(report: CacheReport) -> Iterator[Sample]:
        value = figure(report)
        if value is not None:
            yield Sample((), value)

    return samples


def _states(
    states: Iterable[str], state: Callable[[CacheReport], str | None]
) -> Callable[[CacheReport], Iterator[Sample]]:
    def samples(report: CacheReport) -> Iterator[Sample]:
        current = state(report)
        if current is not None:
            for each in states:
                yield Sample((each,), each == current)

    return samples


#: Metrics of the report: what regions declare, and how the process is that answers.
_FROM_REPORT: Final[Mapping[Metric, Callable[[CacheReport], Iterator[Sample]]]] = {
    Metric("hit_rate.target", "gauge", "Hit rate expected of the region, 0 to 1.", ("region",), "ratio"): _of_regions(
        lambda region: [((), region.target)]
    ),
    Metric("ttl", "gauge", "Time to live in use.", ("region", "tier"), "seconds"): _of_regions(
        lambda region: [(("local",), region.local_ttl), (("redis",), region.redis_ttl)]
    ),
    Metric(
        "consistency.nines",
        "gauge",
        "Nines of the share of consistent hits; absent while too few were audited.",
        ("region",),
    ): _of_regions(lambda region: [((), _nines(region.consistency))]),
    Metric(
        "consistency.window", "gauge", "How late a hit may be and count as new.", ("region",), "seconds"
    ): _of_regions(lambda region: [((), region.consistency.within_ms / 1000)]),
    Metric("local.memory.in_use", "gauge", "1 if this process has local memory, else 0."): _single(
        lambda report: report.local_memory
    ),
    Metric("breaker.state", "gauge", "1 for the state of this process' circuit breaker.", ("state",)): _states(
        ("closed", "open", "half-open"), lambda report: report.breaker.state if report.breaker else None
    ),
    Metric("listener.state", "gauge", "1 for the state of this process' listener.", ("state",)): _states(
        ("listening", "connecting", "without tracking"),
        lambda report: report.listener.state if report.listener else None,
    ),
    Metric("listener.lag", "gauge", "How long Redis took to answer the listener last.", unit="seconds"): _single(
        lambda report: report.listener.lag_ms / 1000 if report.listener and report.listener.lag_ms is not None else None
    ),
    Metric("outbox.depth", "gauge", "Invalidations in the database that wait for Redis."): _single(
        lambda report: report.outbox.depth if report.outbox else None
    ),
    Metric("outbox.oldest", "gauge", "How long the oldest of them has waited; 0: none waits.", unit="seconds"): _single(
        lambda report: (
            report.outbox.oldest_seconds or 0.0 if report.outbox and report.outbox.depth is not None else None
        )
    ),
}

#: All metrics, in the order in which they are exported.
METRICS: Final = (*_FROM_COUNTERS, *_FROM_REPORT)


def measure(whose: Whose) -> dict[Metric, list[Sample]]:
    """Return the figures of all metrics; of one that nothing is known of, none."""
    report = cache_report(scope=whose)
    # The report rounds off what machines add up.
    numbers = runtime.statistics.host() if whose == "host" else runtime.statistics.process()
    return {
        **{
            metric: [
                Sample((region, *labels), counted[name] / 1e9 if name.endswith("_ns") else counted[name])
                for region, counted in numbers.items()
                for labels, name in figures.items()
            ]
            for metric, figures in _FROM_COUNTERS.items()
        },
        **{metric: [Sample(*each) for each in samples(report)] for metric, samples in _FROM_REPORT.items()},
    }
