"""What one read says to Redis: looks, leases and fills, each for any number of keys in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from caching import epochs
from caching.conf import conf
from caching.envelope import Envelope, Rejected, pack, unpack
from caching.keys import Key, Scope
from caching.noting import Noted
from caching.registry import registry
from caching.runtime import runtime
from caching.scripts import EPOCH, FILL, LEASE, command
from caching.stats import Counters
from caching.steps import Ask, Steps
from caching.tiers.local import Entry, KnownEpochs, LocalTier
from caching.ttl import jittered

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Exchange", "Lifetime", "lifetime_left"]


class Lifetime(msgspec.Struct, frozen=True, gc=False):
    """Seconds for which a value is fresh, and for which it may stand in when nothing fresher can be had; its cost.

    `local` is for how many a copy in local memory may be fresh, if the value is.
    """

    fresh: float
    usable: float
    cost: float
    local: float


def lifetime_left(region: Region[Any], envelope: Envelope) -> Lifetime:
    """Return how long a value that was found may be used from now on; negative when it has expired.

    Whoever filled it may have allowed it to stand in for longer than this process does.
    """
    now = runtime.clock.wall()
    usable = min(envelope.hard, envelope.soft + region.stale_for)
    local = region.copy_life(envelope.soft - envelope.created)
    return Lifetime(envelope.soft - now, usable - now, envelope.cost, local)


class Exchange:
    """One read's conversation with Redis. Its steps raise `RedisUnavailable`.

    `noted` are the stamps noted before anything was asked; `tier` is the local tier at that moment, or None. It keeps
    the epochs that change when somebody clears, which the listener tells of; the epoch of a scope, which wide writes
    change, is read with every value.
    """

    def __init__(
        self, region: Region[Any], counters: Counters, noted: Mapping[Key, Noted], tier: LocalTier | None
    ) -> None:
        self._region = region
        self._counters = counters
        self._noted = noted
        self._tier = tier
        self._tokens: dict[Scope, bytes] = {}
        #: Keys whose value in Redis is of no use, or of no more use: another is to take its place.
        self.unwanted: set[Key] = set()
        #: The leases this read holds.
        self.leases: dict[Key, str] = {}

    # --- values -------------------------------------------------------------------------------------------------------

    def look(self, keys: Sequence[Key]) -> Steps[dict[Key, Envelope]]:
        """Return what Redis holds of these keys, expired values included."""
        scopes = list(dict.fromkeys(key.scope for key in keys))
        known = {scope: self._known(scope) for scope in scopes}
        values = yield from self._fetch(keys, scopes, known)
        if values is None:
            values = (yield from self._fetch(keys, scopes, {})) or []
        found, cipher = {}, runtime.ciphers[self._region.name]
        for key, raw in zip(keys, values, strict=True):
            if raw is not None:
                try:
                    found[key] = unpack(raw, key.name, self._region.schema, self._tokens[key.scope], cipher)
                except Rejected as rejected:
                    self._counters.rejected += 1
                    self.unwanted.add(key)
                    if rejected.alarming:
                        # Whoever reads it, and whether that is a request or not.
                        self._region.counters.undecryptable += 1
                        runtime.ciphers.alarm(self._region.name, key.name, rejected.reason)
        return found

    def _fetch(
        self, keys: Sequence[Key], scopes: Sequence[Scope], known: Mapping[Scope, KnownEpochs | None]
    ) -> Steps[list[Any] | None]:
        # None: the server is another than the one whose epochs are known.
        own = {scope: epochs.wide_names(scope)[0] for scope in scopes}
        upper = {scope: epochs.epoch_names(scope)[:-1] for scope in scopes if not known.get(scope)}
        names = list(dict.fromkeys([*own.values(), *chain.from_iterable(upper.values())]))
        looked = command("MGET", *(epochs.guard_names(key)[0] for key in keys), *names)
        answer = yield Ask([looked], self._region.name, len(keys))
        if any(each and each.run_id != answer.run_id for each in known.values()):
            return None
        values, found = answer.values[0][: len(keys)], dict(zip(names, answer.values[0][len(keys) :], strict=True))
        absent = [name for name, epoch in found.items() if epoch is None]
        if absent:
            # First use, evicted, or of another type: a fresh random epoch, the same for all who find none.
            made = yield Ask([EPOCH([name], epochs.fresh_token()) for name in absent], self._region.name, len(keys))
            found.update(zip(absent, made.values, strict=True))
        if upper:
            self._learn(answer.run_id, {scope: tuple(map(found.__getitem__, above)) for scope, above in upper.items()})
        for scope in scopes:
            each = known.get(scope)
            above = each.upper if each else tuple(map(found.__getitem__, upper[scope]))
            self._tokens[scope] = epochs.token(answer.run_id, registry.fingerprint, (*above, found[own[scope]]))
        return values  # type: ignore[no-any-return]

    def _known(self, scope: Scope) -> KnownEpochs | None:
        tier = self._tier
        if tier is None or tier is not runtime.local or not runtime.hears_changes:
            return None
        return tier.known_epochs(scope) if tier.now() < tier.trusted_until or runtime.trust(tier) else None

    def _learn(self, run_id: bytes, upper: Mapping[Scope, tuple[bytes, ...]]) -> None:
        if self._tier is not None:
            noted = {key.scope: each for key, each in self._noted.items()}
            for scope, above in upper.items():
                if scope in noted:
                    each = noted[scope]
                    self._tier.learn_epochs(scope, KnownEpochs(run_id, above, each.slots, each.stamps))

    # --- leases -------------------------------------------------------------------------------------------------------

    def take_leases(self, keys: Sequence[Key]) -> Steps[list[Key]]:
        """Take what leases there are into `leases`; returns the keys of which another process holds or has a value.

        Keys under a writer are in neither.
        """
        tokens = {key: epochs.fresh_token() for key in keys}
        milliseconds = int(conf.LEASE_SECONDS * 1000)
        leases = [self._lease(key, tokens[key], milliseconds) for key in keys]
        answer = yield Ask(leases, self._region.name, len(keys))
        held = []
        for key, verdict in zip(keys, answer.values, strict=True):
            if verdict == b"taken":
                self.leases[key] = tokens[key]
            elif verdict in (b"held", b"value"):
                held.append(key)
        return held

    def _lease(self, key: Key, token: str, milliseconds: int) -> Any:
        value, lease, pending = epochs.guard_names(key)
        live = b"" if key in self.unwanted else self._tokens[key.scope]
        return LEASE([lease, pending, epochs.wide_names(key.scope)[1], value], token, milliseconds, live)

    def fill(self, entries: Mapping[Key, Entry], cost: float) -> Steps[dict[Key, Lifetime]]:
        """End the leases with these values, whose load took `cost` seconds; returns those that were accepted."""
        keys = [key for key in self.leases if key in entries]
        lifetimes = {key: self._lifetime_of(key, entries[key], cost) for key in keys}
        fills, above, cipher = [], self._region.compress_above, runtime.ciphers[self._region.name]
        for key in keys:
            value, lease, _ = epochs.guard_names(key)
            # Without a key to encrypt it with, the lease ends all the same.
            envelope = pack(self._envelope(key, entries[key], lifetimes[key]), above, cipher) or b""
            fills.append(FILL([lease, value], self.leases[key], envelope, max(1, int(lifetimes[key].usable * 1000))))
            del self.leases[key]
        answer = yield Ask(fills, self._region.name, len(keys))
        return {key: lifetimes[key] for key, accepted in zip(keys, answer.values, strict=True) if accepted}

    def _envelope(self, key: Key, entry: Entry, life: Lifetime) -> Envelope:
        now, token = runtime.clock.wall(), self._tokens[key.scope]
        soft, hard = now + life.fresh, now + life.usable
        version = getattr(entry.value, "version", None)
        return Envelope(key.name, self._region.schema, token, now, soft, hard, life.cost, version, entry.body)

    def _lifetime_of(self, key: Key, entry: Entry, cost: float) -> Lifetime:
        region = self._region
        if entry.value is None:
            fresh = jittered(conf.NEGATIVE_TTL)
            return Lifetime(fresh, fresh, cost, region.local_ttl)
        ttl = region.redis_life(key.local, entry.body)
        fresh = jittered(ttl)
        return Lifetime(fresh, fresh + region.stale_for, cost, region.copy_life(ttl))

    def give_leases_back(self) -> Steps[None]:
        """End all leases without a value, so that nobody waits for one."""
        given = [FILL(list(epochs.guard_names(key)[1::-1]), token, b"", 0) for key, token in self.leases.items()]
        self.leases = {}
        if given:
            yield Ask(given, self._region.name, len(given))
