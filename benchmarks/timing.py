"""Times calls side by side: rounds are interleaved in random order, so that a busy moment hits everybody alike."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Protocol, runtime_checkable

from benchmarks.results import Sample

__all__ = ["Call", "InLoop", "Timer", "compare", "seconds_per_call"]

# A round of a fast call is made of so many calls that the clock's own cost does not count.
_ROUND_SECONDS: Final = 0.004
_MOST_CALLS: Final = 20_000

Call = Callable[[], object]


@runtime_checkable
class Timer(Protocol):
    """What times its calls itself, for they are made elsewhere: in an event loop, or in another process."""

    def seconds_per_call(self, calls: int) -> float:
        """Return how long one call takes on the average of `calls`."""
        ...


class InLoop:
    """A call in the event loop of `runner`, which stands still between rounds; `awaited` if it is a coroutine's."""

    def __init__(self, runner: asyncio.Runner, call: Callable[[], object], *, awaited: bool = True) -> None:
        self._runner = runner
        self._call = call
        self._awaited = awaited

    def __call__(self) -> object:
        return self._runner.run(self._once())

    def seconds_per_call(self, calls: int) -> float:
        return self._runner.run(self._round(calls))

    async def _once(self) -> object:
        result = self._call()
        return await result if isinstance(result, Awaitable) else result

    async def _round(self, calls: int) -> float:
        if not self._awaited:
            return seconds_per_call(self._call, calls)
        call: Callable[[], Awaitable[object]] = self._call  # type: ignore[assignment]  # as `awaited` says
        clock, turns = time.perf_counter, range(calls)
        began = clock()
        for _ in turns:
            await call()
        took = clock() - began
        began = clock()
        for _ in turns:
            pass
        return (took - (clock() - began)) / calls


def seconds_per_call(call: Call, calls: int) -> float:
    """Return how long one call takes on the average of `calls`, without the cost of the loop."""
    clock, turns = time.perf_counter, range(calls)
    began = clock()
    for _ in turns:
        call()
    took = clock() - began
    began = clock()
    for _ in turns:
        pass
    return (took - (clock() - began)) / calls


def compare(
    calls: Mapping[str, Call | Timer], *, rounds: int, before: Call | None = None, round_seconds: float = _ROUND_SECONDS
) -> dict[str, Sample]:
    """Return seconds per call of each, measured in `rounds` interleaved rounds after one that does not count.

    `before` is called before every round of each and not timed, to bring about what is measured; rounds are of one
    call then. The garbage collector rests during a round and runs between rounds.
    """
    timers = {name: _timer(call) for name, call in calls.items()}
    numbers = {name: 1 if before else _calls_per_round(timer, round_seconds) for name, timer in timers.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls)
    chance = random.Random(0)  # noqa: S311 -- an order, no secret
    gc.collect()
    for turn in range(rounds + 1):
        chance.shuffle(order)
        for name in order:
            if before is not None:
                before()
            gc.disable()
            try:
                took = timers[name](numbers[name])
            finally:
                gc.enable()
            if turn:
                found[name].append(took)
    return {name: Sample(tuple(each)) for name, each in found.items()}


def _timer(call: Call | Timer) -> Callable[[int], float]:
    return call.seconds_per_call if isinstance(call, Timer) else partial(seconds_per_call, call)


def _calls_per_round(timer: Callable[[int], float], round_seconds: float) -> int:
    timer(1)
    return _number(round_seconds, min(timer(1) for _ in range(3)))


def _number(round_seconds: float, one: float) -> int:
    return max(1, min(_MOST_CALLS, int(round_seconds / max(one, 1e-9))))
