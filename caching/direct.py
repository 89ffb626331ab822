"""The direct way to a hit in Redis: one round trip for one key; whatever is not plain goes the long way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from hiredis import ReplyError, pack_command

from caching import epochs
from caching.conf import conf
from caching.envelope import Rejected, unpack
from caching.errors import RedisUnavailable
from caching.exchange import Lifetime
from caching.keys import Key, Scope
from caching.noting import Noted
from caching.registry import registry
from caching.runtime import runtime
from caching.stamps import Slots, slots_of
from caching.steps import Fetch, Steps
from caching.tiers.local import UNDECODED, Entry, KnownEpochs, LocalKey, LocalTier
from caching.transactions import open_notes
from caching.ttl import lead

if TYPE_CHECKING:
    from caching.regions import Region
    from caching.tiers.redis import RedisTier

__all__ = ["ahit", "hit", "hits"]

# So many times its cost before its end, nobody loads a value anew: the odds are one in 10 ** 17.
_MOST_COSTS: Final = 40


class _Route(NamedTuple):
    """What follows from a key alone: itself, its name, slots, the names of its value and epoch, and the command."""

    key: Key
    name: str
    slots: Slots
    value: str
    epoch: str
    request: bytes


# Hot keys come back to Redis again and again; a route of 1 KB saves ten microseconds.
@lru_cache(maxsize=2048)
def _route(prefix: str, local_key: LocalKey) -> _Route:  # noqa: ARG001 -- the names begin with the prefix
    region, alias, org, *parts = local_key
    key = Key(region, org, parts, alias)
    words: Any = ("MGET", epochs.guard_names(key)[0], epochs.wide_names(key.scope)[0])
    return _Route(key, key.name, slots_of(key), words[1], words[2], pack_command(words))


#: A route, and the epochs known and stamps noted before it was taken; a bare tuple, for it is made for every hit.
_Question: TypeAlias = tuple[_Route, "RedisTier", LocalTier, KnownEpochs, tuple[int, int, int]]


def hit(region: Region[Any], local_key: LocalKey, *, decode: bool = False) -> Entry | None:
    """Return a fresh entry from Redis and keep it in local memory; None when there is none, or anything is unusual.

    With `decode` it has its snapshot, too.

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
    return _accepted(region, question, answer, run_id, decode, began)


async def ahit(region: Region[Any], local_key: LocalKey, *, decode: bool = False) -> Entry | None:
    """`hit` for coroutines."""
    began = time.perf_counter_ns()
    question = _question(local_key)
    if question is None:
        return None
    try:
        answer, run_id = await question[1].aask(question[0].request)
    except RedisUnavailable:
        return None
    return _accepted(region, question, answer, run_id, decode, began)


def _question(local_key: LocalKey) -> _Question | None:
    redis, local = runtime.redis, runtime.local
    # A transaction that has written reads in its own way.
    if redis is None or local is None or open_notes or not runtime.hears_changes:
        return None
    route = _route(conf.PREFIX, local_key)
    # First of all: a clear that comes between them makes stale what these epochs vouch for.
    noted = local.stamps.note(route.slots)
    known = local.known_epochs(route.key.scope)
    if known is None:
        return None
    if local.now() >= local.trusted_until and not runtime.trust(local):
        return None
    # Only now: a writer takes its record before it changes the stamps.
    pending = local.stamps.pending_slots()
    if pending and pending.intersection(route.slots):
        return None
    return route, redis, local, known, noted


def _accepted(
    region: Region[Any], question: _Question, answer: Any, run_id: bytes, decode: bool, began: int
) -> Entry | None:
    route, _, local, known, stamps = question
    if isinstance(answer, ReplyError) or run_id != known.run_id:
        return None
    raw, epoch = answer
    if raw is None or epoch is None:
        return None
    token = epochs.token(run_id, registry.fingerprint, (*known.upper, epoch))
    try:
        envelope = unpack(raw, route.name, region.schema, token)
    except Rejected:
        return None
    local_ttl, stale_for = region.spans
    wall, soft, cost = runtime.clock.wall(), envelope.soft, envelope.cost
    fresh = soft - wall
    if fresh <= 0:
        return None
    entry = Entry(envelope.body, region.decode(envelope.body) if decode else UNDECODED)
    entry.version = envelope.version
    entry.may_be_kept = True
    # As `Region.keep` does, which does it for more cases and takes longer.
    ttl, usable = fresh, min(envelope.hard, soft + stale_for) - wall
    if entry.value is None:
        ttl = usable = min(ttl, conf.NEGATIVE_TTL)
    ttl, now = min(ttl, local_ttl), local.now()
    entry.place(route.key.local, route.slots, stamps, now + ttl, now + ttl, now + max(ttl, usable))
    local.put(entry, may_fold=True)
    if fresh < cost * _MOST_COSTS and lead(cost) >= fresh:
        runtime.refresher.refresh(region, route.key)
    counters = region.counters
    counters.redis_hits += 1
    counters.redis_ns += time.perf_counter_ns() - began
    counters.redis_samples += 1
    runtime.statistics.share_soon()
    return entry


def hits(
    region: Region[Any],
    keys: Sequence[Key],
    keep: Callable[[Sequence[tuple[Key, Entry, Noted, Lifetime]]], None],
    *,
    decode: bool = False,
) -> Steps[dict[Key, Entry]]:
    """Return the steps that find what plain hits Redis has for these keys, in one round trip; the rest is left out.

    `keep` is called with them, what was noted before they were asked for and how long they may be used. With `decode`
    they have their snapshots.
    """
    redis, local = runtime.redis, runtime.local
    if redis is None or local is None or open_notes or not runtime.hears_changes:
        return {}
    now = local.now()
    if now >= local.trusted_until and not runtime.trust(local):
        return {}
    prefix, note = conf.PREFIX, local.stamps.note
    routes = [_route(prefix, key.local) for key in keys]
    # The caller's own keys: comparing them with equal ones takes time.
    asked = [(key, route, Noted(route.slots, note(route.slots), now)) for key, route in zip(keys, routes, strict=True)]
    pending = local.stamps.pending_slots()
    if pending:
        asked = [each for each in asked if not pending.intersection(each[1].slots)]
        if not asked:
            return {}
    epochs_asked = _Epochs(local)
    for _, route, noted in asked:
        epochs_asked.add(route, noted)
    names = list(epochs_asked.names)
    words: Any = ("MGET", *[route.value for _, route, _ in asked], *names)
    try:
        answer, run_id = yield Fetch(pack_command(words))
    except RedisUnavailable:
        return {}
    if isinstance(answer, ReplyError):
        return {}
    tokens = epochs_asked.tokens(run_id, dict(zip(names, answer[len(asked) :], strict=True)))
    schema, decoded, now, stale_for = region.schema, region.decode, runtime.clock.wall(), region.stale_for
    found: list[tuple[Key, Entry, Noted, Lifetime]] = []
    for (key, route, noted), raw in zip(asked, answer, strict=False):
        token = tokens.get(route.epoch)
        if raw is None or token is None:
            continue
        try:
            envelope = unpack(raw, route.name, schema, token)
        except Rejected:
            continue
        soft = envelope.soft
        if soft > now:
            body = envelope.body
            entry = Entry(body, decoded(body) if decode else UNDECODED)
            entry.version = envelope.version
            entry.may_be_kept = True
            life = Lifetime(soft - now, min(envelope.hard, soft + stale_for) - now, envelope.cost)
            found.append((key, entry, noted, life))
    keep(found)
    for key, _, _, life in found:
        if _is_early(life):
            runtime.refresher.refresh(region, key)
    return {key: entry for key, entry, _, _ in found}


class _Epochs:
    """The epochs that the values of some scopes depend on: known ones, and `names` of those to be asked for."""

    def __init__(self, local: LocalTier) -> None:
        #: In order, each once.
        self.names: dict[str, None] = {}
        self._local = local
        # By the name of the scope's own epoch, which is asked for with every value.
        self._known: dict[str, KnownEpochs] = {}
        self._unknown: dict[str, tuple[Scope, tuple[str, ...], Noted]] = {}

    def add(self, route: _Route, noted: Noted) -> None:
        if route.epoch in self.names:
            return
        self.names[route.epoch] = None
        scope = route.key.scope
        known = self._local.known_epochs(scope)
        if known is not None:
            self._known[route.epoch] = known
        else:
            upper = epochs.epoch_names(scope)[:-1]
            self._unknown[route.epoch] = scope, upper, noted
            self.names.update(dict.fromkeys(upper))

    def tokens(self, run_id: bytes, found: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the token of each scope whose epochs all exist, by the name of its own epoch."""
        for own, (scope, names, noted) in self._unknown.items():
            upper = tuple(found[name] for name in names)
            if None not in upper:
                known = self._known[own] = KnownEpochs(run_id, upper, noted.slots, noted.stamps)
                self._local.learn_epochs(scope, known)
        declarations, token = registry.fingerprint, epochs.token
        return {
            own: token(run_id, declarations, (*known.upper, found[own]))
            for own, known in self._known.items()
            if known.run_id == run_id and found[own] is not None
        }


def _is_early(life: Lifetime) -> bool:
    return life.fresh < life.cost * _MOST_COSTS and lead(life.cost) >= life.fresh
