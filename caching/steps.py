"""What a read asks of the world, and the two thin drivers that do it: one logic for callers and coroutines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import msgspec
from asgiref.sync import sync_to_async

from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.flights import Landing, Seat
from caching.keys import Key
from caching.routing import reads_from
from caching.runtime import runtime
from caching.scripts import Command
from caching.telemetry import tracing
from caching.transactions import in_transaction, may_be_old

if TYPE_CHECKING:
    from caching.regions import Region
    from caching.tiers.redis import Replies

__all__ = ["Ask", "Fetch", "InLoader", "Join", "Load", "Loaded", "Pause", "Step", "Steps", "adrive", "drive"]

T = TypeVar("T")


class Step(Protocol):
    """One thing done outside of the logic, in a thread (`run`) or awaited (`arun`)."""

    def run(self) -> Any: ...

    async def arun(self) -> Any: ...


Steps = Generator[Step, Any, T]


class Ask(msgspec.Struct, frozen=True):
    """Send commands to Redis in one round trip, for so many keys of a region."""

    commands: Sequence[Command]
    region: str = ""
    keys: int = 0

    def run(self) -> Replies:
        if runtime.redis is None:
            raise RedisUnavailable("No Redis is configured.")
        with tracing.span(tracing.REDIS, self.region, self.keys):
            return runtime.redis.execute(self.commands)

    async def arun(self) -> Replies:
        if runtime.redis is None:
            raise RedisUnavailable("No Redis is configured.")
        with tracing.span(tracing.REDIS, self.region, self.keys):
            return await runtime.redis.aexecute(self.commands)


class Fetch(msgspec.Struct, frozen=True):
    """Send Redis one packed command that is an error-free question; returns the answer and the server's `run_id`."""

    request: bytes
    keys: int

    def run(self) -> tuple[Any, bytes]:
        if runtime.redis is None:
            raise RedisUnavailable("No Redis is configured.")
        with tracing.span(tracing.REDIS, "", self.keys):
            return runtime.redis.ask(self.request)

    async def arun(self) -> tuple[Any, bytes]:
        if runtime.redis is None:
            raise RedisUnavailable("No Redis is configured.")
        with tracing.span(tracing.REDIS, "", self.keys):
            return await runtime.redis.aask(self.request)


class InLoader(msgspec.Struct, frozen=True):
    """Call a function in the thread whose database connection would load: only that thread knows its transaction."""

    function: Callable[[], Any]

    def run(self) -> Any:
        return self.function()

    async def arun(self) -> Any:
        return await sync_to_async(self.function, thread_sensitive=True)()


class Loaded(NamedTuple):
    """What the database answered: snapshots by key (None: no such row), whether it may fill, and seconds taken.

    Or the `error` that it, or the loader, raised.
    """

    values: dict[Key, Any]
    may_fill: bool
    seconds: float
    error: Exception | None = None

    def checked(self) -> dict[Key, Any]:
        """Return the values; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.values


class Load(msgspec.Struct, frozen=True):
    """Load keys of one region and database from the database."""

    region: Region[Any]
    keys: Sequence[Key]

    def run(self) -> Loaded:
        alias = self.keys[0].alias
        # What nobody can connect to holds no transaction of ours.
        may_fill = True
        began = time.perf_counter_ns()
        try:
            may_fill = not in_transaction(alias) and not may_be_old(alias)
            with reads_from(alias), tracing.span(tracing.LOAD, self.keys[0].region, len(self.keys)):
                values = self.region.load_rows([(key.org, *key.parts) for key in self.keys], alias)
        except Exception as error:
            return Loaded({}, may_fill, 0.0, error)
        took = time.perf_counter_ns() - began
        self.region.counters.loads += 1
        self.region.counters.load_ns += took
        return Loaded({key: values.get((key.org, *key.parts)) for key in self.keys}, may_fill, took / 1e9)

    async def arun(self) -> Loaded:
        return await sync_to_async(self.run, thread_sensitive=True)()


class Join(msgspec.Struct, frozen=True):
    """Wait, for so many seconds at most, for flights that others lead; returns the landings there are by then."""

    seats: Mapping[Key, Seat]
    seconds: float

    def run(self) -> dict[Key, Landing]:
        seconds = self.seconds
        if any(seat.by_task for seat in self.seats.values()):
            _close_orphans()
            # The task may be about to load in this very thread, which is waiting here.
            seconds = min(seconds, conf.LEASE_WAIT_SECONDS)
        wait([seat.landing for seat in self.seats.values()], seconds)
        return self._landings()

    async def arun(self) -> dict[Key, Landing]:
        if any(seat.by_task for seat in self.seats.values()):
            _close_orphans()
        landings = [asyncio.wrap_future(seat.landing) for seat in self.seats.values()]
        try:
            await asyncio.wait(landings, timeout=self.seconds)
        finally:
            # Whoever lands does not call a loop that may have ended.
            for landing in landings:
                landing.cancel()
        return self._landings()

    def _landings(self) -> dict[Key, Landing]:
        arrived = {key: seat.landing for key, seat in self.seats.items() if seat.landing.done()}
        return {key: landing.result() for key, landing in arrived.items() if not landing.cancelled()}


class Pause(msgspec.Struct, frozen=True):
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
    finally:
        # An interrupt leaves them in the middle, and others may wait for what they lead.
        steps.close()


#: Tasks that go on though their caller may be gone: a loop alone would forget them.
_detached: set[asyncio.Task[Any]] = set()


async def adrive(steps: Steps[T]) -> T:
    """Run the steps from a coroutine and return their result.

    Once they load, they go on to their end in a task of their own: others wait for it, whoever is cancelled.
    """
    try:
        step = next(steps)
        while not isinstance(step, Load):
            result, error = await _outcome(step)
            step = steps.throw(error) if error is not None else steps.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    except BaseException:
        steps.close()
        raise
    _close_orphans()
    task = asyncio.create_task(_go_on(steps, step))
    _detached.add(task)
    task.add_done_callback(_forget)
    return await asyncio.shield(task)


async def _go_on(steps: Steps[T], step: Step) -> T:
    try:
        while True:
            result, error = await _outcome(step)
            step = steps.throw(error) if error is not None else steps.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def _outcome(step: Step) -> tuple[Any, Exception | None]:
    # Not a call into the generator: its end, a StopIteration, may not leave a coroutine.
    try:
        return await step.arun(), None
    except Exception as error:
        return None, error


def _close_orphans() -> None:
    # A loop that was closed around its tasks never ends them, and somebody may wait for what they lead.
    for task in list(_detached):
        if task.get_loop().is_closed():
            _detached.discard(task)
            coroutine = task.get_coro()
            if coroutine is not None:
                # What it waited for belongs to that loop, and may complain.
                with suppress(Exception):
                    coroutine.close()


def _forget(task: asyncio.Task[Any]) -> None:
    _detached.discard(task)
    if not task.cancelled():
        # Whoever waits gets it; a caller that was cancelled wants it no more.
        task.exception()
