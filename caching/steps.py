"""What a read asks of the world, and the two thin drivers that do it: one logic for callers and coroutines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from asgiref.sync import sync_to_async

from caching.errors import RedisUnavailable
from caching.keys import Key
from caching.runtime import runtime
from caching.scripts import Command
from caching.transactions import in_transaction, may_be_old

if TYPE_CHECKING:
    from caching.regions import Region
    from caching.tiers.redis import Replies

__all__ = ["Ask", "InLoader", "Load", "Loaded", "Pause", "Step", "Steps", "adrive", "drive"]

T = TypeVar("T")


class Step(Protocol):
    """One thing done outside of the logic, in a thread (`run`) or awaited (`arun`)."""

    def run(self) -> Any: ...

    async def arun(self) -> Any: ...


Steps = Generator[Step, Any, T]


@dataclass(frozen=True)
class Ask:
    """Send commands to Redis in one round trip."""

    commands: Sequence[Command]

    def run(self) -> Replies:
        if runtime.redis is None:
            raise RedisUnavailable("No Redis is configured.")
        return runtime.redis.execute(self.commands)

    async def arun(self) -> Replies:
        if runtime.redis is None:
            raise RedisUnavailable("No Redis is configured.")
        return await runtime.redis.aexecute(self.commands)


@dataclass(frozen=True)
class InLoader:
    """Call a function in the thread whose database connection would load: only that thread knows its transaction."""

    function: Callable[[], Any]

    def run(self) -> Any:
        return self.function()

    async def arun(self) -> Any:
        return await sync_to_async(self.function, thread_sensitive=True)()


class Loaded(NamedTuple):
    """What the database answered: snapshots by key (None: no such row), whether it may fill, and seconds taken."""

    values: dict[Key, Any]
    may_fill: bool
    seconds: float


@dataclass(frozen=True)
class Load:
    """Load keys of one region and database from the database."""

    region: Region[Any]
    keys: Sequence[Key]

    def run(self) -> Loaded:
        alias = self.keys[0].alias
        may_fill = not in_transaction(alias) and not may_be_old(alias)
        began = time.perf_counter_ns()
        values = self.region.load_rows([(key.org, *key.parts) for key in self.keys], alias)
        took = time.perf_counter_ns() - began
        self.region.counters.loads += 1
        self.region.counters.load_ns += took
        return Loaded({key: values.get((key.org, *key.parts)) for key in self.keys}, may_fill, took / 1e9)

    async def arun(self) -> Loaded:
        return await sync_to_async(self.run, thread_sensitive=True)()


@dataclass(frozen=True)
class Pause:
    """Wait a little for another process."""

    seconds: float

    def run(self) -> None:
        runtime.clock.sleep(self.seconds)

    async def arun(self) -> None:
        await asyncio.sleep(self.seconds)


def drive(steps: Steps[T]) -> T:
    """Run the steps in this thread and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                result = step.run()
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def adrive(steps: Steps[T]) -> T:
    """Run the steps from a coroutine and return their result."""
    try:
        step = next(steps)
        while True:
            try:
                result = await step.arun()
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
