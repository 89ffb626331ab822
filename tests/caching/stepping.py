"""Reads that a test stops before any of their steps, to put something in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caching.errors import RedisUnavailable
from caching.flights import Flights
from caching.keys import Key
from caching.runtime import runtime
from caching.steps import Ask, Load, Step, Steps
from tests.shop.cached import shop

__all__ = ["KEY", "Slow", "cached_name", "forget_here", "is_ask", "is_load", "slow_read"]

KEY = Key("shop", "corner")


def forget_here() -> None:
    assert runtime.local is not None
    runtime.local.clear()


class Slow:
    """A read that can be stopped before any of its steps."""

    def __init__(self, steps: Steps[Any]) -> None:
        self._steps = steps
        self.step: Step | None = next(steps)
        self.result: Any = None

    def proceed(self) -> None:
        assert self.step is not None
        try:
            try:
                answer = self.step.run()
            except RedisUnavailable as error:
                self.step = self._steps.throw(error)
            else:
                self.step = self._steps.send(answer)
        except StopIteration as done:
            self.step, self.result = None, done.value

    def until(self, reached: Callable[[Step], bool]) -> Slow:
        while self.step is not None and not reached(self.step):
            self.proceed()
        assert self.step is not None, "the read ended before that step"
        return self

    def finish(self) -> Any:
        while self.step is not None:
            self.proceed()
        return next(iter(self.result.values())).value


def slow_read() -> Slow:
    """Begin a read like one of another process of the host: it shares no flight with those of this process."""
    ours, runtime.flights = runtime.flights, Flights()
    try:
        return Slow(shop.read([KEY]))
    finally:
        runtime.flights = ours


def is_load(step: Step) -> bool:
    return isinstance(step, Load)


def is_ask(script: str) -> Callable[[Step], bool]:
    return lambda step: (
        isinstance(step, Ask) and any(script in str(command.wire(by_text=True)) for command in step.commands)
    )


def cached_name() -> str | None:
    """What a reader gets without the database's help; None when it would have to load."""
    steps = shop.read([KEY])
    try:
        step = next(steps)
        while isinstance(step, Ask) and not is_ask("GETRANGE")(step):
            step = steps.send(step.run())
    except StopIteration as done:
        return str(shop.value(done.value[KEY]).name)  # type: ignore[union-attr]
    return None
