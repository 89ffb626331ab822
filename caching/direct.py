"""The direct way to a hit in Redis: one round trip for one key; whatever is not plain goes the long way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from hiredis import ReplyError, pack_command

from caching import epochs
from caching.conf import conf
from caching.envelope import Rejected, unpack
from caching.errors import RedisUnavailable
from caching.keys import Key, Scope
from caching.registry import registry
from caching.runtime import runtime
from caching.stamps import Slots, slots_of
from caching.steps import Fetch, Steps
from caching.telemetry import tracing
from caching.tiers.local import UNDECODED, Entry, KnownEpochs, LocalKey, LocalTier
from caching.transactions import open_notes
from caching.ttl import lead

if TYPE_CHECKING:
    from caching.regions import Region
    from caching.tiers.redis import RedisTier

__all__ = ["ahit", "forget_routes", "hit", "hits"]

# So many times its cost before its end, nobody loads a value anew: the odds are one in 10 ** 17.
_MOST_COSTS: Final = 40

# The body of "there is no such row".
_NO_ROW: Final = b"null"


class _Route(msgspec.Struct, frozen=True, gc=False):
    """What follows from a key alone: itself, its name, scope, slots, the names of its value and epoch, the command."""

    key: Key
    name: str
    scope: Scope
    slots: Slots
    value: str
    epoch: str
    request: bytes


# Hot keys come back to Redis again and again; a route of 1 KB saves ten microseconds.
@lru_cache(maxsize=2048)
def _route(prefix: str, local_key: LocalKey) -> _Route:  # noqa: ARG001 -- the names begin with the prefix
    region, alias, org, *parts = local_key
    key = Key(region, org, parts, alias)
    scope = key.scope
    words: Any = ("MGET", epochs.guard_names(key)[0], epochs.wide_names(scope)[0])
    return _Route(key, key.name, scope, slots_of(key), words[1], words[2], pack_command(words))


def forget_routes() -> None:
    """Make names anew: the settings they are made of may be others."""
    _route.cache_clear()


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
        with tracing.span(tracing.REDIS, region.name, 1):
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
        with tracing.span(tracing.REDIS, region.name, 1):
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
    known = local.known_epochs(route.scope)
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
    entry = _entry(region, route, stamps, raw, token, local.now(), decode)
    if entry is None:
        return None
    local.put(entry, may_fold=True)
    counters = region.counters
    counters.redis_hits += 1
    counters.redis_ns += time.perf_counter_ns() - began
    counters.redis_samples += 1
    runtime.activity.found.append(route.key.local)
    runtime.statistics.share_soon()
    return entry


def _entry(
    region: Region[Any],
    route: _Route,
    stamps: tuple[int, int, int],
    raw: bytes,
    token: bytes,
    now: float,
    decode: bool,
) -> Entry | None:
    """Return the entry that Redis answered with, placed; None when it is of no use, or expired."""
    try:
        envelope = unpack(raw, route.name, region.schema, token, runtime.ciphers[region.name])
    except Rejected:
        return None
    soft, wall, body = envelope.soft, runtime.clock.wall(), envelope.body
    fresh = soft - wall
    if fresh <= 0:
        return None
    local_ttl, stale_for = region.spans
    if fresh > local_ttl and region.adapts:
        local_ttl = region.copy_life(soft - envelope.created)
    usable = min(envelope.hard, soft + stale_for) - wall
    ttl = fresh if fresh < local_ttl else local_ttl
    if body == _NO_ROW:
        ttl = usable = min(ttl, conf.NEGATIVE_TTL)
    until = now + ttl
    key_slot, scope_slot, region_slot = route.slots
    key_stamp, scope_stamp, region_stamp = stamps
    entry = Entry(
        body, region.decode(body) if decode else UNDECODED, (), envelope.version, True, route.key.local,
        key_slot, scope_slot, region_slot, key_stamp, scope_stamp, region_stamp,
        until, until, now + usable if usable > ttl else until,
    )  # fmt: skip
    cost = envelope.cost
    if fresh < cost * _MOST_COSTS and lead(cost) >= fresh:
        runtime.refresher.refresh(region, route.key)
    return entry


def hits(region: Region[Any], local_keys: Sequence[LocalKey], *, decode: bool = False) -> Steps[list[Entry | None]]:
    """Return the steps that find what plain hits Redis has for these keys, in one round trip, and keep it here.

    There is an entry, or None, for each key, in their order. With `decode` they have their snapshots.
    """
    found: list[Entry | None] = [None] * len(local_keys)
    redis, local = runtime.redis, runtime.local
    if redis is None or local is None or open_notes or not runtime.hears_changes:
        return found
    now = local.now()
    if now >= local.trusted_until and not runtime.trust(local):
        return found
    prefix, note = conf.PREFIX, local.stamps.note
    routes = [_route(prefix, key) for key in local_keys]
    asked = [(index, route, note(route.slots)) for index, route in enumerate(routes)]
    # Only now, as above.
    pending = local.stamps.pending_slots()
    if pending:
        asked = [each for each in asked if not pending.intersection(each[1].slots)]
    if not asked:
        return found
    epochs_asked = _Epochs(local)
    for _, route, stamps in asked:
        if route.epoch not in epochs_asked.names:
            epochs_asked.add(route, stamps)
    names = list(epochs_asked.names)
    words: Any = ("MGET", *[route.value for _, route, _ in asked], *names)
    try:
        answer, run_id = yield Fetch(pack_command(words), len(asked))
    except RedisUnavailable:
        return found
    if isinstance(answer, ReplyError):
        return found
    tokens = epochs_asked.tokens(run_id, dict(zip(names, answer[len(asked) :], strict=True)))
    # From now on, and not from before: the answer may have taken its time.
    now = local.now()
    kept: list[Entry] = []
    for (index, route, stamps), raw in zip(asked, answer, strict=False):
        token = tokens.get(route.epoch)
        if raw is not None and token is not None:
            entry = found[index] = _entry(region, route, stamps, raw, token, now, decode)
            if entry is not None:
                kept.append(entry)
    local.put_many(kept, may_fold=True)
    return found


class _Epochs:
    """The epochs that the values of some scopes depend on: known ones, and `names` of those to be asked for."""

    def __init__(self, local: LocalTier) -> None:
        #: In order, each once.
        self.names: dict[str, None] = {}
        self._local = local
        # By the name of the scope's own epoch, which is asked for with every value.
        self._known: dict[str, KnownEpochs] = {}
        self._unknown: dict[str, tuple[_Route, tuple[str, ...], tuple[int, int, int]]] = {}

    def add(self, route: _Route, stamps: tuple[int, int, int]) -> None:
        """Add a scope that is not among them, by one of its keys and what was noted for it."""
        self.names[route.epoch] = None
        known = self._local.known_epochs(route.scope)
        if known is not None:
            self._known[route.epoch] = known
        else:
            upper = epochs.epoch_names(route.scope)[:-1]
            self._unknown[route.epoch] = route, upper, stamps
            self.names.update(dict.fromkeys(upper))

    def tokens(self, run_id: bytes, found: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the token of each scope whose epochs all exist, by the name of its own epoch."""
        for own, (route, names, stamps) in self._unknown.items():
            upper = tuple(found[name] for name in names)
            if None not in upper:
                known = self._known[own] = KnownEpochs(run_id, upper, route.slots, stamps)
                self._local.learn_epochs(route.scope, known)
        declarations, token = registry.fingerprint, epochs.token
        return {
            own: token(run_id, declarations, (*known.upper, found[own]))
            for own, known in self._known.items()
            if known.run_id == run_id and found[own] is not None
        }
