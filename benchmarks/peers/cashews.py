"""cashews: an asynchronous cache, in memory (keeps references) and in Redis with a copy in memory (pickles)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from benchmarks.peers import Peer, Reading, absence, proved
from benchmarks.peers.values import Value
from benchmarks.timing import InLoop

__all__ = ["CashewsCopy", "CashewsMemory", "CashewsRedis"]

_SECONDS: Final = 3600
# What cashews itself takes for the copies in memory.
_COPIES: Final = 10_000


class _Cashews(Peer):
    name: str

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._cache: Any = None
        self._absence = absence("cashews", "cashews")
        if not self._absence:
            self._set_up()

    def reading(self, value: Value) -> Reading:
        if self._absence:
            return self._absence
        kept = self._kept(value)
        self._runner.run(self._cache.set(value.name, kept, expire=_SECONDS))
        return proved(InLoop(self._runner, partial(self._get, value.name)), kept)

    def close(self) -> None:
        """End what cashews runs in the loop."""
        if self._cache is not None:
            self._runner.run(self._cache.close())

    def _set_up(self) -> None:
        raise NotImplementedError

    def _kept(self, value: Value) -> object:
        return value.data

    @property
    def _get(self) -> Any:
        return self._cache.get


class CashewsMemory(_Cashews):
    """`mem://` with the very objects that our methods return."""

    name = "cashews mem"

    def _set_up(self) -> None:
        from cashews import Cache

        self._cache = Cache()
        self._cache.setup("mem://")

    def _kept(self, value: Value) -> object:
        return value.read()


class CashewsCopy(_Cashews):
    """`redis://...?client_side=true` with the serializers' data: what it answers from its copy in memory."""

    name = "cashews redis, its copy"

    def __init__(self, runner: asyncio.Runner, url: str) -> None:
        self._url = url
        super().__init__(runner)

    def _set_up(self) -> None:
        from cashews import Cache
        from cashews.backends.memory import Memory

        self._copies = Memory(size=_COPIES)
        self._cache = Cache()
        self._cache.setup(f"{self._url}?client_side=true", local_cache=self._copies)


class CashewsRedis(CashewsCopy):
    """The same read from Redis: the copy in memory is dropped before each, within the time."""

    name = "cashews redis"

    @property
    def _get(self) -> Any:
        return self._first

    async def _first(self, key: str) -> object:
        await self._copies.delete(key)
        return await self._cache.get(key)
