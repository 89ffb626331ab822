"""What Prometheus reads: correct in both formats, and of all processes of the host whichever is asked."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from caching.runtime import runtime
from caching.telemetry.metrics import METRICS, measure
from caching.telemetry.prometheus import exposition
from tests.shop import cached

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

FORMATS = pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain", parse_text),
        ("*/*", "text/plain", parse_text),
        ("text/plain;version=0.0.4", "text/plain", parse_text),
        (OPENMETRICS, "application/openmetrics-text", parse_openmetrics),
    ],
)


@FORMATS
@pytest.mark.django_db
def test_each_format_is_what_its_parser_reads(
    redis: Any, accept: str, content_type: str, parse: Callable[[str], Any]
) -> None:
    cached.shop.counters.local_hits = 7
    cached.shop.counters.load_ns = 1_500_000_000

    body, said = exposition(accept)

    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }
    assert said.startswith(content_type)
    assert samples["caching_requests_total", frozenset({("region", "shop"), ("tier", "local")})] == 7
    assert samples["caching_load_seconds_total", frozenset({("region", "shop")})] == 1.5
    assert samples == {
        (metric.prometheus_name, frozenset(zip(metric.labels, labels, strict=True))): value
        for metric, each in measure("host").items()
        for labels, value in each
    }


@FORMATS
def test_types_and_meanings_are_told(accept: str, content_type: str, parse: Callable[[str], Any]) -> None:
    told = {
        family.name.removesuffix("_total"): (family.type, family.documentation)
        for family in parse(exposition(accept)[0].decode())
    }

    assert told == {metric.prometheus_name.removesuffix("_total"): (metric.kind, metric.meaning) for metric in METRICS}


def count_and_say(pipe: Connection, hits: int) -> None:
    runtime.statistics.share()
    cached.shop.counters.local_hits += hits
    runtime.statistics.share()
    pipe.send(shop_hits())
    pipe.recv()


def shop_hits() -> float:
    [value] = [
        sample.value
        for family in parse_text(exposition("")[0].decode())
        for sample in family.samples
        if sample.name == "caching_requests_total" and sample.labels == {"region": "shop", "tier": "local"}
    ]
    return float(value)


def test_every_process_answers_for_all_of_the_host_and_what_one_counted_outlives_it(start: Callable[..., Any]) -> None:
    cached.shop.counters.local_hits = 1
    assert shop_hits() == 1
    first = start(count_and_say, 10)
    assert first.receive() == 11
    second = start(count_and_say, 100)
    assert second.receive() == 111

    assert shop_hits() == 111

    first.kill()
    second.kill()
    assert shop_hits() == 111, "a counter that fell would look as if the host had begun anew"
