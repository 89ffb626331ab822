"""Asks Sentinels who the primary is, those last that did not answer before, so that a dead one costs one wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias, cast

from redis.sentinel import MasterNotFoundError

from caching.tiers.conversation import TROUBLE, lasting

__all__ = ["AsyncSentinels", "Doors", "Sentinels"]

Place: TypeAlias = tuple[str, int]

# While a failover is under way the answer is who will be the primary: Sentinel's own protocol for clients.
_QUESTION: Final = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME")


class Doors(NamedTuple):
    """How connections to one Sentinel are made, given the seconds that each step may take."""

    blocking: Callable[[float], Any]
    asynchronous: Callable[[float], Any]


_Search: TypeAlias = Generator[tuple[Doors, float], Any, Place]


class Sentinels:
    """Those that watch one service; stand in for the pool of a redis-py `SentinelManagedConnection`.

    They take turns: one that is behind sends only some to a primary that was replaced, and not again at the next try.
    All together they may take `patience()` seconds: each half of what is left, the last all of it.
    """

    is_master: Final = True
    check_connection: Final = False

    def __init__(self, service: str, sentinels: list[Doors], patience: Callable[[], float]) -> None:
        self._service = service
        self._turns = tuple(sentinels)
        self._silent: set[Doors] = set()
        self._patience = patience

    def get_master_address(self) -> Place:
        """Return host and port of the primary.

        Raises `MasterNotFoundError` when no Sentinel names one: from the error of one that trying again does not mend.
        """
        search = self._search()
        doors, seconds = next(search)
        while True:
            try:
                answer = _ask(doors.blocking(seconds), self._service)
            except TROUBLE as trouble:
                answer = trouble
            try:
                doors, seconds = search.send(answer)
            except StopIteration as found:
                return cast("Place", found.value)

    async def aget_master_address(self) -> Place:
        """The same as `get_master_address` from a coroutine."""
        search = self._search()
        doors, seconds = next(search)
        while True:
            try:
                answer = await _aask(doors.asynchronous(seconds), self._service)
            except TROUBLE as trouble:
                answer = trouble
            try:
                doors, seconds = search.send(answer)
            except StopIteration as found:
                return cast("Place", found.value)

    def _search(self) -> _Search:
        """Yield whom to ask and how many seconds that may take; get the answer, or the error."""
        until = time.monotonic() + self._patience()
        asked = sorted(self._turns, key=self._silent.__contains__)
        why: Exception | None = None
        for others, each in zip(range(len(asked) - 1, -1, -1), asked, strict=True):
            left = until - time.monotonic()
            if left <= 0:
                break
            answer = yield each, left / 2 if others else left
            if isinstance(answer, list) and len(answer) == 2:
                self._silent.discard(each)
                # Made of all that there are now: other threads exchange it, too.
                self._turns = (*(other for other in self._turns if other is not each), each)
                return _place(answer)
            self._silent.add(each)
            if isinstance(answer, Exception) and lasting(answer):
                why = answer
        raise MasterNotFoundError(f"No Sentinel names a primary of {self._service!r}.") from why


class AsyncSentinels:
    """The same Sentinels for connections of an event loop."""

    is_master: Final = True
    check_connection: Final = False

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels

    async def get_master_address(self) -> Place:
        return await self._sentinels.aget_master_address()


def _ask(connection: Any, service: str) -> Any:
    try:
        connection.connect()
        connection.send_command(*_QUESTION, service, check_health=False)
        return connection.read_response()
    finally:
        connection.disconnect()


async def _aask(connection: Any, service: str) -> Any:
    try:
        await connection.connect()
        await connection.send_command(*_QUESTION, service, check_health=False)
        return await connection.read_response()
    finally:
        with suppress(*TROUBLE):
            await connection.disconnect(nowait=True)


def _place(answer: list[bytes]) -> Place:
    host, port = answer
    return host.decode(), int(port)
