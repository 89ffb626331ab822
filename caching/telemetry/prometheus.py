"""The metrics as Prometheus reads them. Imports prometheus-client: to be imported only where that is wanted."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from caching.telemetry.metrics import measure

__all__ = ["exposition"]


class HostCollector(Collector):
    """Collects the metrics of all processes of this host, whichever of them is asked.

    They count in a file that they share (`caching.stats`), so there is no need of prometheus-client's own way, a
    directory of files per process that outlive it.
    """

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        for metric, samples in measure("host").items():
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            name = metric.prometheus_name.removesuffix("_total")
            family = kind(name, metric.meaning, labels=metric.labels, unit=metric.unit)
            for labels, value in samples:
                family.add_metric(labels, value)
            yield family


# Not the registry that every library adds to: who may see these may not see whatever else a process exports.
_registry = CollectorRegistry()
_registry.register(HostCollector())


def exposition(accept: str) -> tuple[bytes, str]:
    """Return all metrics, and their content type: OpenMetrics if the header `Accept` asks for it, else text."""
    encode, content_type = choose_encoder(accept)
    return encode(_registry), content_type
