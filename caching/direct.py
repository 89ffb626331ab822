"""The direct way to a hit in Redis: one round trip for one key; whatever is not plain goes the long way."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from hiredis import ReplyError, pack_command

from caching import epochs
from caching.conf import conf
from caching.envelope import Rejected, unpack
from caching.errors import RedisUnavailable
from caching.exchange import lifetime_left
from caching.keys import Key
from caching.noting import Noted
from caching.registry import registry
from caching.runtime import runtime
from caching.stamps import Slots, slots_of
from caching.tiers.local import Entry, KnownEpochs, LocalKey, LocalTier
from caching.transactions import open_notes
from caching.ttl import lead

if TYPE_CHECKING:
    from caching.regions import Region
    from caching.tiers.redis import RedisTier

__all__ = ["ahit", "hit"]

# So many times its cost before its end, nobody loads a value anew: the odds are one in 10 ** 17.
_MOST_COSTS: Final = 40


class _Route(NamedTuple):
    """What follows from a key alone: itself, its slots, its name, and the packed command that fetches it."""

    key: Key
    slots: Slots
    name: str
    request: bytes


# Hot keys come back to Redis again and again; a route of 1 KB saves ten microseconds.
@lru_cache(maxsize=4096)
def _route(prefix: str, local_key: LocalKey) -> _Route:  # noqa: ARG001 -- the names begin with the prefix
    region, alias, org, *parts = local_key
    key = Key(region, org, parts, alias)
    words: Any = ("MGET", epochs.guard_names(key)[0], epochs.wide_names(key.scope)[0])
    return _Route(key, slots_of(key), key.name, pack_command(words))


#: A route, and what was known and noted before it was taken; a bare tuple, for it is made for every hit.
_Question: TypeAlias = tuple[_Route, "RedisTier", LocalTier, KnownEpochs, Noted]


def hit(region: Region[Any], local_key: LocalKey) -> Entry | None:
    """Return a fresh entry from Redis and keep it in local memory; None when there is none, or anything is unusual.

    The order is that of `Reading`: note the stamps, look for writers, ask. It shares no flight, for what it would save
    others, a question to Redis, costs less than a flight.
    """
    began = time.perf_counter_ns()
    question = _question(local_key)
    if question is None:
        return None
    try:
        answer, run_id = question[1].ask(question[0].request)
    except RedisUnavailable:
        # The long way counts it, and does without Redis.
        return None
    return _accepted(region, question, answer, run_id, began)


async def ahit(region: Region[Any], local_key: LocalKey) -> Entry | None:
    """`hit` for coroutines."""
    began = time.perf_counter_ns()
    question = _question(local_key)
    if question is None:
        return None
    try:
        answer, run_id = await question[1].aask(question[0].request)
    except RedisUnavailable:
        return None
    return _accepted(region, question, answer, run_id, began)


def _question(local_key: LocalKey) -> _Question | None:
    redis, local = runtime.redis, runtime.local
    # A transaction that has written reads in its own way.
    if redis is None or local is None or open_notes:
        return None
    route = _route(conf.PREFIX, local_key)
    known = local.known_epochs(route.key.scope)
    if known is None or not runtime.hears_changes:
        return None
    now = local.now()
    if now >= local.trusted_until and not runtime.trust(local):
        return None
    stamps = local.stamps
    noted = Noted(route.slots, stamps.note(route.slots), now)
    # Only now: a writer takes its record before it changes the stamps.
    pending = stamps.pending_slots()
    if pending and pending.intersection(route.slots):
        return None
    return route, redis, local, known, noted


def _accepted(region: Region[Any], question: _Question, answer: Any, run_id: bytes, began: int) -> Entry | None:
    route, _, local, known, noted = question
    if isinstance(answer, ReplyError) or run_id != known.run_id:
        return None
    raw, epoch = answer
    if raw is None or epoch is None:
        return None
    token = epochs.token(run_id, registry.fingerprint, (*known.upper, epoch))
    try:
        envelope = unpack(raw, key=route.name, schema=region.schema, epochs=token)
    except Rejected:
        return None
    life = lifetime_left(region, envelope)
    fresh, _, cost = life
    if fresh <= 0:
        return None
    entry = Entry(envelope.body)
    entry.may_be_kept = True
    region.keep(route.key, entry, noted, life, local)
    if fresh < cost * _MOST_COSTS and lead(cost) >= fresh:
        runtime.refresher.refresh(region, route.key)
    counters = region.counters
    counters.redis_hits += 1
    counters.redis_ns += time.perf_counter_ns() - began
    counters.redis_samples += 1
    runtime.statistics.share_soon()
    return entry
