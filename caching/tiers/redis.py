"""The Redis tier: one kept connection per thread or event loop, one round trip per step of the protocol."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from caching import budget
from caching.breaker import Breaker
from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.scripts import Command, command
from caching.tiers.connections import Connections
from caching.tiers.conversation import Replies
from caching.tiers.lines import AsyncLink
from caching.tiers.links import Link

__all__ = ["WAIT_SLACK_SECONDS", "RedisTier", "Replies", "waiting_for"]

# A server looks ten times a second whether someone has waited for replicas long enough.
WAIT_SLACK_SECONDS: Final = 0.2


def waiting_for(replicas: int) -> Command:
    """Return the command that waits until so many replicas know of what the connection has written."""
    return command("WAIT", replicas, max(1, int(conf.REDIS_BUDGET_SECONDS * 1000)))


class RedisTier:
    """Sends batches of commands through connections made like those of the django-redis cache `alias`.

    Every method raises `RedisUnavailable` when there is no answer: after one time-out at most, and at once while the
    breaker is open or the request has had its time-out already. A failure that is an outage opens the breaker.
    """

    #: Whether there is more than one primary.
    is_cluster: ClassVar = False

    def __init__(self, alias: str, breaker: Breaker) -> None:
        self._connections = Connections(alias)
        self._breaker = breaker
        self._threads = threading.local()
        self._loops: dict[asyncio.AbstractEventLoop, tuple[AsyncLink, AsyncGenerator[None]]] = {}
        self._reign = 0

    def execute(self, commands: Sequence[Command], *, probe: bool = False) -> Replies:
        """Send the commands in one round trip and return their answers.

        They must not depend on each other's order: a script the server does not know yet is run after the others.
        With `probe` the server is asked even though the breaker is open.
        """
        if not probe:
            self._gate()
        return self._execute(commands)

    def _execute(self, commands: Sequence[Command], patience: float = 0) -> Replies:
        link = self._link()
        try:
            return link.execute(commands, patience)
        except RedisUnavailable as error:
            self._failed(error, link)
            raise

    def probe(self) -> None:
        """Ask for a write, though the breaker is open: it finds nothing to delete.

        A server that only serves reads refuses it.
        """
        self.execute([command("DEL", f"{conf.PREFIX}l:probe")], probe=True)

    def wait(self, replicas: int, _: Sequence[Command]) -> int:
        """Wait a bounded time until so many replicas know of the commands just sent; return how many do."""
        self._gate()
        # A batch of its own, on the same connection: in one batch a script unknown to the server would come after it.
        waited = self._execute([waiting_for(replicas)], conf.REDIS_BUDGET_SECONDS + WAIT_SLACK_SECONDS)
        return int(waited.values[0])

    def ask(self, request: bytes) -> tuple[Any, bytes]:
        """Send one packed command; return its answer, which may be a `hiredis.ReplyError`, and the `run_id`."""
        self._gate()
        link = self._link()
        try:
            return link.ask(request), link.run_id
        except RedisUnavailable as error:
            self._failed(error, link)
            raise

    def _link(self) -> Link:
        link: Link | None = getattr(self._threads, "link", None)
        if link is None or not link.serves(self._reign):
            link = self._threads.link = Link(self.connection(), self._reign, conf.REDIS_SPIN_SECONDS)
        return link

    async def aexecute(self, commands: Sequence[Command]) -> Replies:
        """The same as `execute` from a coroutine."""
        self._gate()
        link = await self._async_link()
        try:
            return await link.execute(commands, self._reign, self._gate_again)
        except RedisUnavailable as error:
            self._failed(error)
            raise

    async def aask(self, request: bytes) -> tuple[Any, bytes]:
        """The same as `ask` from a coroutine."""
        self._gate()
        kept = self._loops.get(asyncio.get_running_loop())
        link = kept[0] if kept is not None else await self._async_link()
        try:
            return await link.ask(request, self._reign, self._gate_again)
        except RedisUnavailable as error:
            self._failed(error)
            raise

    async def _async_link(self) -> AsyncLink:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            link = self._new_async_link()
            lifetime = link.until_the_loop_ends(partial(self._loops.pop, loop, None))
            self._loops[loop] = link, lifetime
            await anext(lifetime)
        return self._loops[loop][0]

    def _new_async_link(self) -> AsyncLink:
        return AsyncLink(self._connections.asynchronous(), conf.REDIS_BUDGET_SECONDS)

    def renew(self) -> None:
        """Have every connection made anew at its next use: the server may have another role, and so another run id."""
        self._reign += 1

    def close(self) -> None:
        """Close this thread's connection; those of other threads and loops end with them."""
        link: Link | None = self._threads.__dict__.pop("link", None)
        if link is not None and link.serves(link.reign):
            link.close()

    def _gate(self) -> None:
        if not self._breaker.closed:
            raise RedisUnavailable("Redis did not answer lately and is left alone until it does")
        if budget.is_spent():
            raise RedisUnavailable("Redis did not answer this request before")

    def _gate_again(self) -> None:
        if not self._breaker.closed:
            budget.spend()
        self._gate()

    def _failed(self, error: RedisUnavailable, link: Link | None = None) -> None:
        if error.outage:
            if link is not None:
                link.close()
            # Those of other threads, too: what comes back behind them may have been replaced meanwhile.
            self.renew()
            budget.spend()
            self._breaker.trip(str(error))

    def connection(self, **options: Any) -> Any:
        """Return a new, unconnected redis-py connection with the framework's time-outs and no retries."""
        return self._connections.blocking(**options)
