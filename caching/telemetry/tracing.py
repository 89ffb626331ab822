"""OpenTelemetry spans of what is slow: questions to Redis, loads, and marks around COMMIT; nothing without its API.

Hits in local memory are never spans. A span says of which region it is, of how many keys and how it ended, and holds no
part of a key and no error's words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final

from caching.logs import logger

__all__ = ["COMMIT", "LOAD", "REDIS", "only", "span"]

REDIS: Final = "caching.redis"
LOAD: Final = "caching.load"
COMMIT: Final = "caching.commit"

# How often it is asked whether the project has set up OpenTelemetry.
_LOOK_SECONDS: Final = 1.0


def only(regions: Iterable[str | None]) -> str:
    """Return the one region there is; "" for none, all or several."""
    found = set(regions)
    return (found.pop() or "") if len(found) == 1 else ""


class _Nothing:
    """No span, at the price of two calls."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Begin nothing."""

    def __exit__(self, *_: object) -> None:
        """End nothing."""


_NOTHING: Final = _Nothing()


def _no_span(name: str, region: str, keys: int) -> AbstractContextManager[None]:  # noqa: ARG001 -- as `span`
    return _NOTHING


#: Begin a span of that name around a block: of a region ("" of several) and a number of keys. Its `caching.outcome` is
#: "ok", or "failed" if the block raises. Never raises itself: a COMMIT is in such a block.
span: Callable[[str, str, int], AbstractContextManager[None]] = _no_span

try:
    from opentelemetry import context, trace
except ImportError:
    pass
else:
    # Follows the provider that the project sets up, now or later.
    _tracer = trace.get_tracer("caching")
    _complained = False

    def _complain(error: Exception) -> None:
        global _complained
        if not _complained:
            _complained = True
            logger.warning("A span could not be recorded: %(error)s", {"error": error}, extra={"event": "span_failed"})

    class _Span:
        """A span that is recorded: the current one, and so the parent of others, while its block runs."""

        __slots__ = ("_span", "_token")

        def __init__(self, recorded: trace.Span) -> None:
            self._span = recorded
            self._token: Any = None

        def __enter__(self) -> None:
            self._token = context.attach(trace.set_span_in_context(self._span))

        def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
            context.detach(self._token)
            try:
                if kind is None:
                    self._span.set_attribute("caching.outcome", "ok")
                else:
                    self._span.set_attributes({"caching.outcome": "failed", "error.type": kind.__qualname__})
                    self._span.set_status(trace.StatusCode.ERROR)
                self._span.end()
            except Exception as error:
                _complain(error)

    def _recorded_span(name: str, region: str, keys: int) -> AbstractContextManager[None]:
        parent = trace.get_current_span().get_span_context()
        if parent.is_valid and not parent.trace_flags.sampled:
            return _NOTHING
        attributes: dict[str, str | int] = {"caching.keys": keys}
        if region:
            attributes["caching.region"] = region
        if name == REDIS:
            attributes["db.system.name"] = "redis"
        kind = trace.SpanKind.CLIENT if name == REDIS else trace.SpanKind.INTERNAL
        try:
            recorded = _tracer.start_span(name, kind=kind, attributes=attributes)
        except Exception as error:
            _complain(error)
            return _NOTHING
        return _Span(recorded) if recorded.is_recording() else _NOTHING

    # A span that nobody records costs a tenth of a question to Redis.
    _look_again = 0.0

    def _awaited_span(name: str, region: str, keys: int) -> AbstractContextManager[None]:
        global span, _look_again
        now = time.monotonic()
        if now < _look_again:
            return _NOTHING
        _look_again = now + _LOOK_SECONDS
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return _NOTHING
        span = _recorded_span
        return span(name, region, keys)

    span = _awaited_span
