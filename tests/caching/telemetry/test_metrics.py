"""The metrics hold every counter and every state, under names that are nobody else's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_django.fixtures import Settings

from caching.reporting import cache_report
from caching.runtime import runtime
from caching.stats import COUNTERS
from caching.telemetry import metrics
from caching.telemetry.metrics import METRICS, measure
from tests.shop import cached


def figure(name: str, *labels: str) -> float | None:
    """The sample of a metric with these labels; None when there is none."""
    [metric] = [each for each in METRICS if each.opentelemetry_name == f"caching.{name}"]
    found = [sample.value for sample in measure("host")[metric] if sample.labels == labels]
    assert len(found) <= 1
    return found[0] if found else None


def test_every_counter_is_in_a_metric_once() -> None:
    exported = [name for figures in metrics._FROM_COUNTERS.values() for name in figures.values()]

    assert sorted(exported) == sorted(COUNTERS)


@pytest.mark.parametrize("name", COUNTERS)
def test_what_a_counter_counts_is_what_its_metric_shows(name: str) -> None:
    if name in ("entries", "bytes"):
        return  # measured anew, see below
    setattr(cached.shop.counters, name, 3_000_000_000)
    shown = {
        sample.value
        for metric, figures in metrics._FROM_COUNTERS.items()
        for labels, counter in figures.items()
        if counter == name
        for sample in measure("process")[metric]
        if sample.labels == ("shop", *labels)
    }

    assert shown == {3.0 if name.endswith("_ns") else 3_000_000_000}


def test_names_are_unique_and_keep_to_the_rules_of_both_systems() -> None:
    prometheus = [metric.prometheus_name for metric in METRICS]
    opentelemetry = [metric.opentelemetry_name for metric in METRICS]

    assert len(set(prometheus)) == len(set(opentelemetry)) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"caching(_[a-z]+)+", metric.prometheus_name)
        assert re.fullmatch(r"caching(\.[a-z_]+)+", metric.opentelemetry_name)
        assert metric.prometheus_name.endswith("_total") is (metric.kind == "counter")
        assert metric.meaning.endswith(".")


@pytest.mark.django_db(transaction=True)
def test_what_a_region_holds_and_declares_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.shop, "target", 0.95)
    cached.shop.get("nowhere")

    assert runtime.local is not None
    assert figure("local.entries", "shop") == 1
    assert figure("local.memory", "shop") == runtime.local.bytes > 0
    assert figure("hit_rate.target", "shop") == 0.95
    assert figure("ttl", "shop", "local") == 300
    assert figure("local.memory.in_use") == 1


def test_a_region_without_a_target_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.shop, "target", None)

    assert figure("hit_rate.target", "shop") is None


def test_what_the_auditor_found_is_shown_once_it_has_looked() -> None:
    counters = cached.shop.counters
    assert figure("consistency.nines", "shop") is None
    counters.audited = 2
    assert figure("consistency.nines", "shop") is None, "too few to tell"
    counters.audited, counters.violations = 100, 90
    assert figure("consistency.nines", "shop") == 0

    counters.audited, counters.violations = 10_000, 0

    assert figure("consistency.nines", "shop") == cache_report().region("shop").consistency.nines == 3
    assert figure("consistency.window", "shop") == cache_report().region("shop").consistency.within_ms / 1000


def test_without_redis_nothing_is_said_of_it() -> None:
    assert figure("ttl", "shop", "redis") is None
    assert figure("breaker.state", "closed") is None
    assert figure("listener.state", "listening") is None
    assert figure("listener.lag") is None
    assert figure("outbox.depth") is None
    assert figure("outbox.oldest") is None


@pytest.mark.django_db
def test_with_redis_its_state_is_shown(redis: Any) -> None:
    assert figure("ttl", "shop", "redis") == 3600
    assert [figure("breaker.state", each) for each in ("closed", "open", "half-open")] == [1, 0, 0]
    assert (figure("outbox.depth"), figure("outbox.oldest")) == (0, 0)

    runtime.breaker.trip("a test")

    assert [figure("breaker.state", each) for each in ("closed", "open", "half-open")] == [0, 1, 0]


@pytest.mark.django_db
def test_an_outbox_that_cannot_be_read_has_no_depth(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.relay is not None
    unread = {"depth": None, "oldest_seconds": None, "delivered": 0, "is_relay": False}
    monkeypatch.setattr(runtime.relay, "describe", lambda: unread)

    assert (figure("outbox.depth"), figure("outbox.oldest")) == (None, None)


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["listening", "connecting", "without tracking"])
def test_the_listener_shows_its_state_and_lag(redis: Any, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    class Hearing:
        tracking, heard_until = True, 0.0

        def describe(self) -> dict[str, Any]:
            return {"state": state, "lag_ms": 1.5, "heard": 0, "reconnects": 0}

        def stop(self) -> None:
            """Nothing runs."""

    monkeypatch.setitem(runtime.__dict__, "listener", Hearing())

    shown = {each: figure("listener.state", each) for each in ("listening", "connecting", "without tracking")}
    assert shown == {**dict.fromkeys(shown, 0), state: 1}
    assert figure("listener.lag") == 0.0015


def test_without_local_memory_that_is_shown(settings: Settings, tmp_path: Any) -> None:
    settings.CACHING = {**settings.CACHING, "STAMPS_DIR": str(tmp_path / "missing")}

    assert figure("local.memory.in_use") == 0


# --- what is written of them ------------------------------------------------------------------------------------------

DOCS = Path(__file__).parents[3] / "docs"


def test_the_table_in_the_docs_is_of_these_metrics() -> None:
    table = [line for line in (DOCS / "metrics.md").read_text().splitlines() if line.startswith("| `caching_")]

    assert table == [
        f"| `{each.prometheus_name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} "
        f"| {each.meaning} |"
        for each in METRICS
    ]


def test_the_example_alerts_ask_for_metrics_labels_and_values_that_there_are() -> None:
    rules = yaml.safe_load((DOCS / "prometheus-alerts.yml").read_text())["groups"][0]["rules"]
    known = {metric.prometheus_name: metric for metric in METRICS}

    assert len(rules) == 2
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")
        selectors = re.findall(r"(caching_\w+)(?:\{([^}]*)\})?(\[\w+\])?", rule["expr"])
        assert selectors
        for name, matchers, span in selectors:
            metric = known[name]
            assert bool(span) is (metric.kind == "counter"), "counters are only of use as rates"
            for label, values in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
                at = metric.labels.index(label)
                assert set(values.split("|")) <= {sample.labels[at] for sample in measure("host")[metric]}
        for label in re.findall(r"by \((\w+)\)", rule["expr"]):
            assert all(label in known[name].labels for name, _, _ in selectors)
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert f"by ({label})" in rule["expr"]
