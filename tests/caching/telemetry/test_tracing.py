"""Spans show what is slow and how it ended, hold no keys, and cost nobody his write."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from caching.errors import MarkFailed
from caching.runtime import runtime
from caching.telemetry import tracing
from tests.caching.conftest import Cable
from tests.caching.operators import shop_of
from tests.shop import cached
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "+442079460958"


class Recorder:
    """The spans that ended, and the tracer that made them."""

    def __init__(self, provider: TracerProvider) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = provider
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self) -> list[ReadableSpan]:
        """Return what ended since the last time."""
        ended = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return ended

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Record every span."""
    provider = TracerProvider()
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("caching"))
    monkeypatch.setattr(tracing, "span", tracing._recorded_span)
    yield Recorder(provider)
    provider.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_hit_in_local_memory_is_no_span(recorder: Recorder) -> None:
    shop_of()
    cached.shop.get("tea")
    recorder.spans()

    cached.shop.get("tea")

    assert cached.shop.counters.local_hits == 1
    assert recorder.spans() == []


def test_a_load_is_a_span_of_its_region_and_number_of_keys(recorder: Recorder) -> None:
    shop_of()
    shop_of("cake")
    recorder.spans()

    cached.shop.get_many([("tea",), ("cake",)])

    [load] = recorder.spans()
    assert (load.name, load.kind, load.status.status_code) == ("caching.load", SpanKind.INTERNAL, StatusCode.UNSET)
    assert attributes(load) == {"caching.region": "shop", "caching.keys": 2, "caching.outcome": "ok"}


def test_questions_to_redis_are_spans_of_a_client(recorder: Recorder, redis: Any) -> None:
    shop_of()
    recorder.spans()

    cached.shop.get("tea")

    asked = recorder.spans()
    assert {span.name for span in asked} == {"caching.redis", "caching.load"}
    for span in asked:
        if span.name == "caching.redis":
            assert span.kind == SpanKind.CLIENT
            assert attributes(span)["db.system.name"] == "redis"
        assert attributes(span)["caching.outcome"] == "ok"
        assert attributes(span)["caching.region"] == "shop"
        assert attributes(span)["caching.keys"] == 1


async def test_coroutines_have_the_same_spans(recorder: Recorder, redis: Any) -> None:
    await cached.shop.aget("nowhere")

    assert set(recorder.names()) == {"caching.redis", "caching.load"}
    await runtime.redis._async_link()  # the link lives as long as the loop


def test_a_commit_is_the_parent_of_its_marks(recorder: Recorder, redis: Any) -> None:
    shop_of()
    recorder.spans()

    with transaction.atomic():
        Shop.objects.update(name="new")

    *marks, commit = recorder.spans()
    assert commit.name == "caching.commit"
    assert attributes(commit)["caching.outcome"] == "ok"
    assert commit.context is not None
    assert [mark.name for mark in marks] == ["caching.redis", "caching.redis"]
    assert {mark.parent and mark.parent.span_id for mark in marks} == {commit.context.span_id}


def test_spans_are_part_of_the_trace_around_them(recorder: Recorder) -> None:
    with recorder.provider.get_tracer("site").start_as_current_span("request") as request:
        cached.shop.get("nowhere")
        assert trace.get_current_span() is request

    load, _ = recorder.spans()
    assert load.parent is not None
    assert load.parent.span_id == request.get_span_context().span_id


def test_what_fails_is_marked_without_its_words(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ValueError(f"no {PHONE}\n")

    monkeypatch.setattr(cached.shop, "load_rows", fail)

    with pytest.raises(ValueError, match="no"):
        cached.shop.get("nowhere")

    [load] = recorder.spans()
    assert load.status.status_code == StatusCode.ERROR
    assert attributes(load)["caching.outcome"] == "failed"
    assert attributes(load)["error.type"] == "ValueError"
    assert PHONE not in load.to_json()


def test_a_redis_that_is_away_is_a_failure_of_the_question_alone(recorder: Recorder, cable: Cable) -> None:
    shop_of()
    cable.unplug()
    recorder.spans()

    cached.shop.get("tea")

    outcomes = {span.name: attributes(span)["caching.outcome"] for span in recorder.spans()}
    assert outcomes == {"caching.redis": "failed", "caching.load": "ok"}


def test_a_refused_commit_is_a_failure(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    shop_of()
    recorder.spans()

    def refuse(self: Any) -> None:
        raise MarkFailed("refused")

    with monkeypatch.context() as patch, pytest.raises(MarkFailed):
        patch.setattr("caching.transactions.Invalidation.begin", refuse)
        Shop.objects.update(name="new")

    [commit] = recorder.spans()
    assert attributes(commit)["caching.outcome"] == "failed"
    assert Shop.objects.get().name == "old"


def test_no_span_holds_a_part_of_a_key(recorder: Recorder, redis: Any) -> None:
    shop_of("secret-tea")
    Shop.objects.update(name=PHONE)
    cached.shop.get("secret-tea")
    cached.shop.get_many([("secret-tea",), (PHONE,)])

    written = "".join(span.to_json() for span in recorder.spans())

    assert "caching.redis" in written
    assert "secret" not in written
    assert PHONE not in written


class Failing(SimpleSpanProcessor):
    """A processor that fails when spans begin, or when they end."""

    def __init__(self, when: str) -> None:
        super().__init__(InMemorySpanExporter())
        self._when = when

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self._when == "start":
            raise RuntimeError(PHONE)

    def on_end(self, span: Any) -> None:
        if self._when == "end":
            raise RuntimeError(PHONE)


@pytest.mark.parametrize("when", ["start", "end"])
def test_a_processor_that_fails_costs_nobody_his_write(
    recorder: Recorder, tiers: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    monkeypatch.setattr(tracing, "_complained", False)
    recorder.provider.add_span_processor(Failing(when))

    shop_of(name="new")
    shop_of("cake")

    copy = cached.shop.get("tea")
    assert copy is not None
    assert copy.name == "new"
    [said] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert said.getMessage() == "A span could not be recorded: RuntimeError"


def test_what_is_not_sampled_is_not_recorded(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    off = TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    with off.get_tracer("site").start_as_current_span("request"):
        assert tracing.span(tracing.LOAD, "shop", 1) is tracing._NOTHING
    monkeypatch.setattr(tracing, "_tracer", off.get_tracer("caching"))
    assert tracing.span(tracing.LOAD, "shop", 1) is tracing._NOTHING
    off.shutdown()


def test_without_a_provider_there_are_no_spans_and_it_is_asked_for_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds, provider = [1000.0], TracerProvider()
    monkeypatch.setattr("caching.telemetry.tracing.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    monkeypatch.setattr(tracing, "_look_again", 0.0)
    monkeypatch.setattr(tracing, "span", tracing._awaited_span)
    assert tracing.span(tracing.REDIS, "shop", 1) is tracing._NOTHING

    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("caching"))
    assert tracing.span(tracing.REDIS, "shop", 1) is tracing._NOTHING

    seconds[0] += 1
    with tracing.span(tracing.REDIS, "shop", 1):
        assert trace.get_current_span().is_recording()
    assert tracing.span is tracing._recorded_span
    provider.shutdown()


@pytest.fixture
def without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
            patch.setitem(sys.modules, name, None)
        importlib.reload(tracing)
        yield
    importlib.reload(tracing)


@pytest.mark.usefixtures("without_opentelemetry")
def test_without_opentelemetry_all_works_and_nothing_is_made(tiers: str) -> None:
    assert tracing.span is tracing._no_span

    shop_of()
    Shop.objects.update(name="new")

    copy = cached.shop.get("tea")
    assert copy is not None
    assert copy.name == "new"


@pytest.mark.parametrize(
    ("regions", "region"), [([], ""), (["shop"], "shop"), (["shop", "shop"], "shop"), (["a", "b"], ""), ([None], "")]
)
def test_a_span_names_a_region_if_it_is_of_one(regions: list[str | None], region: str) -> None:
    assert tracing.only(regions) == region
