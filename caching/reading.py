"""The reader's side of the protocol, for any number of keys of one region: what one miss does, many do together."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from caching import epochs
from caching.conf import conf
from caching.envelope import Envelope, Rejected, pack, unpack
from caching.errors import RedisUnavailable
from caching.keys import Key, Scope
from caching.noting import Noted, note_stamps
from caching.registry import registry
from caching.runtime import runtime
from caching.scripts import FILL, LEASE, command
from caching.snapshots import encode
from caching.stats import Counters
from caching.steps import Ask, InLoader, Load, Loaded, Pause, Steps
from caching.tiers.local import Entry
from caching.transactions import dirty_keys, open_notes

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Reading"]

# How often the loser of a lease looks whether the winner has filled.
_LOOK_AGAIN_SECONDS = 0.01


class Reading:
    """One read of some keys of one region and database.

    `steps` is the logic; it returns an entry for every key. What local memory has is taken from there. Then the order
    is the protocol: note the stamps, look for pending writers of the host, ask Redis, take the lease (which no one gets
    while a writer is pending), load, fill, and keep a local copy only of what came from Redis or was accepted by it,
    under the stamps noted at first.
    """

    def __init__(self, region: Region[Any], keys: Sequence[Key], *, counters: Counters, local: bool = True) -> None:
        self._region = region
        self._counters = counters
        self._keys = list(dict.fromkeys(keys))
        self._local = runtime.local if local else None
        self._entries: dict[Key, Entry] = {}
        self._noted: dict[Key, Noted] = {}
        self._epochs: dict[Scope, bytes] = {}
        self._rejected: set[Key] = set()
        self._leases: dict[Key, str] = {}
        self._held: list[Key] = []
        #: Whether the database was asked.
        self.loaded = False

    def steps(self) -> Steps[dict[Key, Entry]]:
        began = time.perf_counter_ns()
        dirty: set[Key] = set()
        if open_notes and self._keys:
            dirty = yield InLoader(partial(dirty_keys, self._keys[0].alias, self._keys))
        if self._local is not None:
            self._find_here([key for key in self._keys if key not in dirty])
        wanted = [key for key in self._keys if key not in self._entries]
        if wanted:
            yield from self._find(wanted, dirty)
            self._count(time.perf_counter_ns() - began, len(wanted))
        return self._entries

    def _find_here(self, keys: list[Key]) -> None:
        for key in keys:
            entry = runtime.find(key.local)
            if entry is not None:
                self._entries[key] = entry
                self._counters.local_hits += 1

    def _find(self, wanted: list[Key], dirty: set[Key]) -> Steps[None]:
        self._noted, pending = note_stamps(wanted)
        barred = dirty | pending
        self._counters.bypassed += len(barred)
        free = [key for key in wanted if key not in barred]
        if runtime.redis is not None and free:
            yield from self._ask_redis(free)
        loading = [key for key in wanted if key not in self._entries and key not in self._held]
        if loading:
            yield from self._load(loading, barred)
        if self._held:
            yield from self._wait_for_others()

    def _count(self, nanoseconds: int, keys: int) -> None:
        counters = self._counters
        if self.loaded:
            counters.miss_ns += nanoseconds
            counters.miss_samples += keys
        else:
            counters.redis_ns += nanoseconds
            counters.redis_samples += keys
        runtime.statistics.share_soon()

    # --- Redis --------------------------------------------------------------------------------------------------------

    def _ask_redis(self, keys: list[Key]) -> Steps[None]:
        try:
            yield from self._look(keys)
            missing = [key for key in keys if key not in self._entries]
            if missing:
                yield from self._take_leases(missing)
        except RedisUnavailable:
            self._counters.errors += 1

    def _look(self, keys: Sequence[Key]) -> Steps[None]:
        scopes = list(dict.fromkeys(key.scope for key in keys))
        names = list(dict.fromkeys(name for scope in scopes for name in epochs.epoch_names(scope)))
        answer = yield Ask([command("MGET", *(epochs.guard_names(key)[0] for key in keys), *names)])
        values, found = answer.values[0][: len(keys)], dict(zip(names, answer.values[0][len(keys) :], strict=True))
        absent = [name for name, epoch in found.items() if epoch is None]
        if absent:
            # First use, or evicted: a fresh random epoch, the same for all who find none.
            made = yield Ask([each for name in absent for each in _make_epoch(name)])
            found.update(zip(absent, made.values[1::2], strict=True))
        for scope in scopes:
            seen = tuple(found[name] for name in epochs.epoch_names(scope))
            self._epochs[scope] = epochs.token(answer.run_id, registry.fingerprint, seen)
        for key, raw in zip(keys, values, strict=True):
            if raw is not None:
                self._accept(key, raw)

    def _accept(self, key: Key, raw: bytes) -> None:
        try:
            envelope = unpack(raw, key=key.name, schema=self._region.schema, epochs=self._epochs[key.scope])
        except Rejected:
            self._counters.rejected += 1
            self._rejected.add(key)
            return
        entry = self._entries[key] = Entry(envelope.body)
        self._counters.redis_hits += 1
        self._keep(key, entry, envelope.hard - runtime.clock.wall())

    def _take_leases(self, keys: list[Key]) -> Steps[None]:
        tokens = {key: epochs.fresh_token() for key in keys}
        milliseconds = int(conf.LEASE_SECONDS * 1000)
        answer = yield Ask([self._lease(key, tokens[key], milliseconds) for key in keys])
        for key, verdict in zip(keys, answer.values, strict=True):
            if verdict == b"taken":
                self._leases[key] = tokens[key]
            elif verdict in (b"held", b"value"):
                self._held.append(key)

    def _lease(self, key: Key, token: str, milliseconds: int) -> Any:
        value, lease, pending = epochs.guard_names(key)
        live = b"" if key in self._rejected else self._epochs[key.scope]
        return LEASE([lease, pending, epochs.wide_names(key.scope)[1], value], token, milliseconds, live)

    def _wait_for_others(self) -> Steps[None]:
        waiting = self._held
        clock = runtime.clock
        patience = clock.now() + conf.LEASE_WAIT_SECONDS
        while True:
            try:
                yield from self._look(waiting)
            except RedisUnavailable:
                self._counters.errors += 1
                break
            waiting = [key for key in waiting if key not in self._entries]
            if not waiting or clock.now() >= patience:
                break
            yield Pause(_LOOK_AGAIN_SECONDS)
        if waiting:
            yield from self._load(waiting, set(waiting))

    # --- database -----------------------------------------------------------------------------------------------------

    def _load(self, keys: list[Key], barred: set[Key]) -> Steps[None]:
        try:
            loaded: Loaded = yield Load(self._region, keys)
        except Exception:
            yield from self._give_leases_back()
            raise
        for key in keys:
            value = loaded.values[key]
            self._entries[key] = Entry(encode(value), value)
        self.loaded = True
        self._counters.misses += len(keys)
        if not loaded.may_fill:
            self._counters.refused += len(keys)
            yield from self._give_leases_back()
        elif runtime.redis is None:
            for key in keys:
                if key not in barred:
                    self._keep(key, self._entries[key], self._region.local_ttl)
        elif self._leases:
            yield from self._fill(loaded.seconds)

    def _fill(self, cost: float) -> Steps[None]:
        keys = list(self._leases)
        ttls = {key: self._redis_ttl(self._entries[key]) for key in keys}
        fills = []
        for key in keys:
            value, lease, _ = epochs.guard_names(key)
            envelope = self._envelope(key, ttls[key], cost)
            fills.append(FILL([lease, value], self._leases[key], pack(envelope), int(ttls[key] * 1000)))
        self._leases = {}
        try:
            answer = yield Ask(fills)
        except RedisUnavailable:
            self._counters.errors += 1
            return
        for key, accepted in zip(keys, answer.values, strict=True):
            if accepted:
                self._keep(key, self._entries[key], ttls[key])
            else:
                self._counters.refused += 1

    def _envelope(self, key: Key, ttl: float, cost: float) -> Envelope:
        now = runtime.clock.wall()
        body = self._entries[key].body
        return Envelope(key.name, self._region.schema, self._epochs[key.scope], now, now + ttl, now + ttl, cost, body)

    def _redis_ttl(self, entry: Entry) -> float:
        ttl: float = conf.NEGATIVE_TTL if entry.value is None else self._region.redis_ttl
        spread = random.random()  # noqa: S311 -- spreads expiry, keeps no secret
        jitter: float = conf.TTL_JITTER
        return max(0.001, ttl * (1 - jitter * spread))

    def _give_leases_back(self) -> Steps[None]:
        given = [FILL(list(epochs.guard_names(key)[1::-1]), token, b"", 0) for key, token in self._leases.items()]
        self._leases = {}
        if given:
            try:
                yield Ask(given)
            except RedisUnavailable:
                self._counters.errors += 1

    def _keep(self, key: Key, entry: Entry, seconds_left: float) -> None:
        entry.may_be_kept = True
        if self._local is not None and key in self._noted:
            self._region.keep(key, entry, self._noted[key], seconds_left)


def _make_epoch(name: str) -> tuple[Any, Any]:
    return command("SET", name, epochs.fresh_token(), "NX"), command("GET", name)
