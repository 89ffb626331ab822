"""The Redis tier of a Redis Cluster: each command goes to the primary of its key's slot, to all of them at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django.conf import settings
from hiredis import Reader, ReplyError

from caching.breaker import Breaker
from caching.conf import conf
from caching.errors import RedisUnavailable
from caching.scripts import Command, command
from caching.tiers.conversation import Batch, Replies, refused
from caching.tiers.lines import AsyncLink
from caching.tiers.links import Link
from caching.tiers.redis import WAIT_SLACK_SECONDS, RedisTier, waiting_for
from caching.tiers.routing import Answers, Round, Router, Talk
from caching.tiers.slots import Address, View, slot_of

__all__ = ["ClusterTier", "seeds_of"]

_PORT: Final = 6379
# One name in so many belongs to each primary that has more than a few slots.
_PROBES: Final = 1000


def seeds_of(alias: str) -> list[Address]:
    """Return the servers that the cache `alias` names; one of them is asked for the others."""
    location = settings.CACHES[alias]["LOCATION"]
    # As django-redis has it.
    urls = location.split(",") if isinstance(location, str) else location
    found = map(urlsplit, urls)
    return [(each.hostname or "localhost", each.port or _PORT) for each in found]


class ClusterTier(RedisTier):
    """Sends each command to the server that has its key, through connections like those of the cache `alias`.

    Promises what `RedisTier` does, with one breaker for the whole cluster: without one of its primaries it is left
    alone. The `run_id` is one for all primaries. A batch goes to its servers at once, and each MGET is split by slots.
    """

    is_cluster: ClassVar = True

    def __init__(self, alias: str, breaker: Breaker) -> None:
        super().__init__(alias, breaker)
        self.router = Router(seeds_of(alias))
        self._lines: dict[asyncio.AbstractEventLoop, dict[Address, tuple[AsyncLink, AsyncGenerator[None]]]] = {}

    def execute(self, commands: Sequence[Command], *, probe: bool = False) -> Replies:
        if not probe:
            self._gate()
        return self._drive(self.router.talk(commands, math.inf if probe else _until()))  # type: ignore[no-any-return]

    def probe(self) -> None:
        """Make another view of the cluster, and ask each primary for a write."""
        view = self._drive(self.router.look(math.inf))
        names: dict[Address, str] = {}
        for number in range(_PROBES):
            name = f"{conf.PREFIX}l:probe{number}"
            address = view.map.slots[slot_of(name)]
            if address is None:
                raise self._noted(RedisUnavailable("Some slots of the Redis Cluster are nobody's", outage=True))
            names.setdefault(address, name)
        self.execute([command("DEL", name) for name in names.values()], probe=True)

    def wait(self, replicas: int, commands: Sequence[Command]) -> int:
        view = self.router.view
        if view is None:
            raise RedisUnavailable("The primaries of the Redis Cluster have changed since the write")
        waiting = [waiting_for(replicas).wire()]
        addresses = self.router.addresses(commands, view)
        try:
            answers = self._answers(dict.fromkeys(addresses, waiting), conf.REDIS_BUDGET_SECONDS + WAIT_SLACK_SECONDS)
        except RedisUnavailable as error:
            raise self._noted(error) from None
        known = []
        for address, ((answer,), run_id) in answers.items():
            if run_id != view.run_ids[address]:
                raise RedisUnavailable("The primaries of the Redis Cluster have changed since the write")
            if isinstance(answer, ReplyError):
                raise refused(str(answer))
            known.append(int(answer))
        return min(known)

    def ask(self, request: bytes) -> tuple[Any, bytes]:
        self._gate()
        words, address, view = self._route(request)
        if view is not None and address is not None:
            link = self._link_to(address)
            try:
                answer = link.ask(request)
            except RedisUnavailable as error:
                raise self._noted(error) from None
            if link.run_id == view.run_ids[address] and not isinstance(answer, ReplyError):
                return answer, view.run_id
        replies = self.execute([Command(words)])
        return replies.values[0], replies.run_id

    async def aexecute(self, commands: Sequence[Command]) -> Replies:
        self._gate()
        talk = self.router.talk(commands, _until())
        try:
            batches = next(talk)
            while True:
                try:
                    answers = await self._aanswers(batches)
                except RedisUnavailable as error:
                    batches = talk.throw(error)
                else:
                    batches = talk.send(answers)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        except RedisUnavailable as error:
            raise self._noted(error) from None

    async def aask(self, request: bytes) -> tuple[Any, bytes]:
        self._gate()
        words, address, view = self._route(request)
        if view is not None and address is not None:
            link = await self._async_link_to(address)
            try:
                answer, run_id = await link.ask(request, self.router.reign, self._gate_again)
            except RedisUnavailable as error:
                raise self._noted(error) from None
            if run_id == view.run_ids[address] and not isinstance(answer, ReplyError):
                return answer, view.run_id
        replies = await self.aexecute([Command(words)])
        return replies.values[0], replies.run_id

    def renew(self) -> None:
        self.router.renew()

    def close(self) -> None:
        """Close this thread's connections; those of other threads and loops end with them."""
        links: dict[Address, Link] = self._threads.__dict__.pop("links", {})
        for link in links.values():
            if link.serves(link.reign):
                link.close()

    def _route(self, request: bytes) -> tuple[tuple[Any, ...], Address | None, View | None]:
        # The words; and where all of them are to be asked, if that is one place.
        reader, view = Reader(), self.router.view
        reader.feed(request)
        name, *keys = reader.gets()
        slot = slot_of(keys[0])
        one = view is not None and all(slot_of(each) == slot for each in keys[1:])
        return (name.decode(), *keys), view.map.slots[slot] if view is not None and one else None, view

    def _drive(self, talk: Talk) -> Any:
        try:
            batches = next(talk)
            while True:
                try:
                    answers = self._answers(batches)
                except RedisUnavailable as error:
                    batches = talk.throw(error)
                else:
                    batches = talk.send(answers)
        except StopIteration as done:
            return done.value
        except RedisUnavailable as error:
            raise self._noted(error) from None

    def _answers(self, batches: Round, patience: float = 0) -> Answers:
        links = {address: self._link_to(address) for address in batches}
        try:
            if len(links) > 1:
                for address, link in links.items():
                    link.begin(batches[address])
            answers = {address: link.end(batches[address], patience) for address, link in links.items()}
        except BaseException:
            # What a server says behind the time would be taken for the answer to the next question.
            for link in links.values():
                if link.under_way:
                    link.close()
            raise
        return {address: (found, links[address].run_id) for address, found in answers.items()}

    async def _aanswers(self, batches: Round) -> Answers:
        asked = [self._aanswer(*each) for each in batches.items()]
        if len(asked) == 1:
            found: list[Any] = [await asked[0]]
        else:
            found = await asyncio.gather(*asked, return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return dict(zip(batches, found, strict=True))

    async def _aanswer(self, address: Address, batch: Batch) -> tuple[list[Any], bytes]:
        link = await self._async_link_to(address)
        return await link.talk(batch, self.router.reign, self._gate_again)

    def _link_to(self, address: Address) -> Link:
        links: dict[Address, Link] = self._threads.__dict__.setdefault("links", {})
        link, reign = links.get(address), self.router.reign
        if link is None or not link.serves(reign):
            host, port = address
            link = links[address] = Link(self.connection(host=host, port=port), reign, conf.REDIS_SPIN_SECONDS)
        return link

    async def _async_link_to(self, address: Address) -> AsyncLink:
        loop = asyncio.get_running_loop()
        kept = self._lines.setdefault(loop, {})
        if address not in kept:
            host, port = address
            link = AsyncLink(self._connections.asynchronous(host=host, port=port), conf.REDIS_BUDGET_SECONDS)
            lifetime = link.until_the_loop_ends(partial(self._forget, loop, address))
            kept[address] = link, lifetime
            await anext(lifetime)
        return kept[address][0]

    def _forget(self, loop: asyncio.AbstractEventLoop, address: Address) -> None:
        kept = self._lines.get(loop, {})
        kept.pop(address, None)
        if not kept:
            self._lines.pop(loop, None)

    def _noted(self, error: RedisUnavailable) -> RedisUnavailable:
        self._failed(error)
        return error


def _until() -> float:
    seconds: float = conf.REDIS_BUDGET_SECONDS
    return time.perf_counter() + seconds
