"""Regions: what a `cached.py` declares, and the methods through which everybody reads it."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS
from msgspec import UNSET, UnsetType

from caching import direct
from caching.clearing import Clearable
from caching.conf import conf
from caching.dependencies import On
from caching.errors import CachingError
from caching.exchange import Lifetime
from caching.following import Follows
from caching.keys import Key, Part
from caching.noting import Noted
from caching.reading import Reading
from caching.registry import registry
from caching.runtime import runtime
from caching.schemas import model_schema
from caching.snapshots import Snapshot, decoder_for, encode, schema_fingerprint
from caching.stats import Counters
from caching.steps import Load, Steps, adrive, drive
from caching.storing import Stored
from caching.tiers.local import UNDECODED, Entry, LocalKey, LocalTier
from caching.transactions import open_notes
from caching.ttl import lead
from caching.tuning import Bounds, Options, Tuned

__all__ = ["Name", "Region", "WarmKeys"]

_WARM_BATCH = 100

#: A key as callers write it: the organisation, then the parts.
Name = tuple[Any, ...]

S = TypeVar("S", bound=Snapshot)

#: Given organisations (None: all) and a database, yields what to load: (org, *parts).
WarmKeys = Callable[[Sequence[str] | None, str], Iterable[tuple[Any, ...]]]


class Region(Tuned, Stored, Clearable, Generic[S]):
    """A region: one kind of value, how it is loaded, for how long it is kept and what makes it stale.

    `load(org, *parts, using=alias)` returns a snapshot or None; `load_many(names, using=alias)`, for `(org, *parts)`
    in `names`, a dictionary without the missing ones; one of the two is enough. `local_ttl` and `redis_ttl` are
    seconds. `money` declares that a stale answer is worse than none. `label` is what operators read; `target` the hit
    rate they expect (0 to 1), `target_ms` the milliseconds that a hit may take on average.

    Fail-safe: for `stale_for` seconds after its end an expired value, which nothing has made stale, may stand in while
    the database fails, or takes longer than `soft_timeout` seconds (None: is waited for). Never for money.

    `follows` says after which other regions' keys this one's are asked for, so that prediction can load them.

    `wait_replicas` is how many replicas of Redis must know of a write before it commits. `personal` says that keys are
    made of what tells of people, such as a phone number.

    `presets` says what is other under a preset (`CACHING["PRESET"]`): `{"high_traffic": {"redis_ttl": 300}}`, of
    `local_ttl`, `redis_ttl`, `stale_for` and `soft_timeout`. `ttl_bounds` are the least and the most seconds that the
    times to live may become with `CACHING["ADAPTIVE_TTL"]`; not for money.

    `revision` is raised when the loader makes other values of the same rows: releases with another share no values.

    In Redis values above `compress_above` bytes are compressed (None: never), and are `encrypted` or not (None: when
    there are keys).

    Raises `CachingError` for a declaration that cannot work.
    """

    #: Whether its values are made of another region's.
    is_composed: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        snapshot: type[S],
        *,
        load: Callable[..., S | None] | None = None,
        load_many: Callable[..., Mapping[Any, S]] | None = None,
        local_ttl: float,
        redis_ttl: float,
        fresh_on: Sequence[On] = (),
        warm: WarmKeys | None = None,
        label: str = "",
        money: bool = False,
        target: float | None = None,
        stale_for: float = 0.0,
        target_ms: float | None = None,
        soft_timeout: float | None = None,
        wait_replicas: int = 0,
        personal: bool = False,
        follows: Sequence[Follows] = (),
        presets: Mapping[str, Options] | None = None,
        ttl_bounds: Bounds | None = None,
        compress_above: float | UnsetType | None = UNSET,
        encrypted: bool | None = None,
        revision: int = 0,
    ) -> None:
        if load is None and load_many is None:
            raise CachingError(f"Region {name!r} needs load= or load_many=.")
        if min(stale_for, soft_timeout or 0, wait_replicas) < 0:
            raise CachingError(f"Region {name!r}: stale_for, soft_timeout and wait_replicas cannot be below 0.")
        options = {
            "local_ttl": local_ttl,
            "redis_ttl": redis_ttl,
            "stale_for": stale_for,
            "soft_timeout": soft_timeout,
        }
        Tuned.__init__(self, name, options, presets or {}, money=money, ttl_bounds=ttl_bounds)
        Stored.__init__(self, compress_above, encrypted)
        self._load = load
        self._load_many = load_many
        self.snapshot = snapshot
        self.fresh_on = tuple(fresh_on)
        self.revision = revision
        self.warm_keys = warm
        self.label = label or name.replace("_", " ").capitalize()
        self.target = target
        self.counters = Counters()
        self.wait_replicas = wait_replicas
        self.target_ms = target_ms
        #: Whether the parts of its keys tell of people: they are shown, and kept, nowhere but in the cache.
        self.personal = personal
        self.follows = tuple(follows)
        #: Makes a snapshot, or None, of its JSON.
        self.decode = decoder_for(snapshot).decode
        registry.add(self)

    # --- what is declared ---------------------------------------------------------------------------------------------

    @cached_property
    def schema(self) -> bytes:
        """8 bytes that change with the fields of the snapshot."""
        return schema_fingerprint(self.snapshot)

    @property
    def declaration(self) -> tuple[Any, ...]:
        """What another release must have in common with this one to share values."""
        models = {on.model._meta.label: on.model for on in self.fresh_on}
        return (
            self.schema,
            self.revision,
            [(on.model._meta.label, on.org, on.parts, on.fields) for on in self.fresh_on],
            [model_schema(models[label]) for label in sorted(models)],
        )

    def key(self, org: str, *parts: Part, using: str = DEFAULT_DB_ALIAS) -> Key:
        """Return the key of one value of this region."""
        return Key(self.name, org, parts, using)

    # --- reading ------------------------------------------------------------------------------------------------------
    # Local keys are joined with "+", not "*": unpacking takes twice as long, on every hit.

    def get(self, org: str, *parts: Part, using: str = DEFAULT_DB_ALIAS, use_cache: bool = True) -> S | None:
        """Return the snapshot, or None when there is no such row.

        `using` is the alias of the database to read, a primary; with `use_cache=False` it is read directly and
        nothing is kept. Raises what the database raises, and nothing when Redis is out of reach.
        """
        local_key = (self.name, using, org) + parts  # noqa: RUF005 -- see above
        entry = None
        if use_cache and not open_notes:
            # `hit` once more: of what most requests pay, its call would be a fifth.
            local = runtime.local
            if local is not None:
                entry = local.entries.get(local_key)
                if entry is not None:
                    now, values, counters = local.now(), local.values, self.counters
                    left = counters.left - 1 or self._counted_down(local_key)
                    if (
                        now < entry.until
                        and now < local.trusted_until
                        and values[entry.key_slot] == entry.key_stamp
                        and values[entry.scope_slot] == entry.scope_stamp
                        and values[entry.region_slot] == entry.region_stamp
                        and entry.value is not UNDECODED
                    ):
                        # Storing it takes three times as long as looking.
                        if not entry.visited:
                            entry.visited = True
                        counters.left = left
                        return entry.value  # type: ignore[no-any-return]
            entry = self.hit(local_key)
            if entry is None and not self.is_composed:
                entry = direct.hit(self, local_key, decode=True)
        return self.value(entry or drive(self._one(local_key, use_cache)))

    async def aget(self, org: str, *parts: Part, using: str = DEFAULT_DB_ALIAS, use_cache: bool = True) -> S | None:
        """`get` for coroutines."""
        local_key = (self.name, using, org) + parts  # noqa: RUF005 -- see above
        entry = self.hit(local_key) if use_cache and not open_notes else None
        if entry is None and use_cache and not self.is_composed:
            entry = await direct.ahit(self, local_key, decode=True)
        return self.value(entry if entry is not None else await adrive(self._one(local_key, use_cache)))

    def entry(self, org: str, *parts: Part, using: str = DEFAULT_DB_ALIAS) -> Entry:
        """Return the JSON as it is sent, with its entity tag: `entry.body` is `null` when there is no such row."""
        local_key = (self.name, using, org) + parts  # noqa: RUF005 -- see above
        found = self.hit(local_key) if not open_notes else None
        if found is None and not self.is_composed:
            found = direct.hit(self, local_key)
        return found or drive(self._one(local_key, use_cache=True))

    def get_many(self, names: Iterable[Name], *, using: str = DEFAULT_DB_ALIAS) -> dict[Name, S | None]:
        """Return the snapshots of many keys, given as `(org, *parts)`, in that order: one round trip, one query."""
        return drive(self._many(names, using))

    async def aget_many(self, names: Iterable[Name], *, using: str = DEFAULT_DB_ALIAS) -> dict[Name, S | None]:
        """`get_many` for coroutines."""
        return await adrive(self._many(names, using))

    def _many(self, names: Iterable[Name], using: str) -> Steps[dict[Name, S | None]]:
        # Plain hits first, which need no more than their local keys.
        entries: dict[Name, Entry | None] = dict.fromkeys(map(tuple, names))
        is_plain = not (open_notes or self.is_composed)
        if is_plain:
            hit, first = self.hit, (self.name, using)
            for name in entries:
                entries[name] = hit(first + name)
            missing = [name for name, entry in entries.items() if entry is None]
            found = yield from direct.hits(self, [first + name for name in missing], decode=True)
            entries.update(zip(missing, found, strict=True))
            self.counters.redis_hits += len(found) - found.count(None)
            runtime.activity.found.extend(first + name for name, each in zip(missing, found, strict=True) if each)
        rest = {name: Key(self.name, name[0], name[1:], using) for name, entry in entries.items() if entry is None}
        if rest:
            read = yield from self.read(list(rest.values()), decode=True, directly=not is_plain)
            entries.update({name: read[key] for name, key in rest.items()})
        return {name: self.value(entry) for name, entry in entries.items() if entry is not None}

    def read(
        self,
        keys: Sequence[Key],
        *,
        use_cache: bool = True,
        counted: bool = True,
        decode: bool = False,
        directly: bool = True,
    ) -> Steps[dict[Key, Entry]]:
        """Return the steps that find an entry for each of the keys, all of one database.

        With `decode` the caller is going to want the snapshots: those that Redis has are made at once. With
        `counted=False` they are no requests in the statistics: nobody asked, the cache is being filled. With
        `directly=False` the caller has looked for plain hits.
        """
        if use_cache:
            counters = self.counters if counted else Counters()
            return (yield from Reading(self, keys, counters=counters).steps(decode=decode, directly=directly))
        loaded = yield Load(self, keys)
        return {key: Entry(encode(value), value) for key, value in loaded.checked().items()}

    def flying(self, kind: str, key: Key) -> Steps[None]:  # noqa: ARG002 -- lists have flights of two kinds
        """Return the steps that go on with a flight that another read of this process has begun."""
        return Reading(self, [key], counters=Counters()).flying()

    def refreshing(self, key: Key) -> Steps[None]:
        """Return the steps that load a key anew before it expires; nothing if somebody else does."""
        return Reading(self, [key], counters=Counters()).refreshing()

    @property
    def loader(self) -> Callable[..., Any]:
        """The function that loads: `load`, or `load_many` if that is all there is."""
        loader = self._load or self._load_many
        assert loader is not None  # noqa: S101 -- for the type checker; __init__ has seen to it
        return loader

    def parts_of_loader(self) -> int | None:
        """How many parts a key has behind the organisation, as `load` tells; None when only `load_many` is there."""
        if self._load is None:
            return None
        parameters = inspect.signature(self._load).parameters.values()
        return sum(each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters) - 1

    def load_rows(self, names: Sequence[Name], alias: str) -> Mapping[Name, S | None]:
        """Load from the database, around the cache."""
        if self._load_many is not None and (len(names) > 1 or self._load is None):
            return self._load_many(names, using=alias)
        load = self._load
        assert load is not None  # noqa: S101 -- for the type checker; __init__ has seen to it
        return {name: load(*name, using=alias) for name in names}

    def _one(self, local_key: LocalKey, use_cache: bool) -> Steps[Entry]:
        _, alias, org, *parts = local_key
        key = Key(self.name, org, parts, alias)
        return (yield from self.read([key], use_cache=use_cache))[key]

    def hit(self, local_key: tuple[Any, ...]) -> Entry | None:
        """Return the valid entry in local memory, if there is one; callers see to their own transaction.

        The path that every request takes: no lock, one clock, no call that is not needed.
        """
        local = runtime.local
        if local is None:
            return None
        entry = local.entries.get(local_key)
        if entry is not None:
            now = local.now()
            values = local.values
            if (
                now < entry.until
                and now < local.trusted_until
                and values[entry.key_slot] == entry.key_stamp
                and values[entry.scope_slot] == entry.scope_stamp
                and values[entry.region_slot] == entry.region_stamp
            ):
                if not entry.visited:
                    entry.visited = True
                counters = self.counters
                counters.left = counters.left - 1 or self._counted_down(local_key)
                return entry
        elif not local.folded.count:
            return None
        # Folded, too old, stale, or the stamps file must be looked at first.
        found = runtime.find(local_key)
        if found is not None:
            counters = self.counters
            counters.left = counters.left - 1 or self._counted_down(local_key)
        return found

    def _counted_down(self, local_key: tuple[Any, ...]) -> int:
        # Begins the next countdown and returns what is left of it behind this read, which may turn out to be no hit.
        counters = self.counters
        if counters.begin_countdown():
            self._sample(local_key)
        return counters.left - 1

    def _sample(self, local_key: tuple[Any, ...]) -> None:
        # Timing every hit would cost more than the hit; one in many is done once more, and timed.
        counters = self.counters
        # First of all: what is timed is not to be sampled.
        counters.sampled(time.perf_counter_ns())
        began = time.perf_counter_ns()
        found = self.hit(local_key)
        took = time.perf_counter_ns() - began
        if found is not None:
            counters.left += 1
            counters.local_ns += took
            counters.local_samples += 1
            runtime.activity.hits.append(local_key)
        runtime.statistics.share_soon()

    def value(self, entry: Entry) -> S | None:
        """Return the entry's snapshot, decoded at most once; None when there is no such row."""
        value = entry.value
        if value is UNDECODED:
            value = self.decode(entry.body)
            if runtime.local is None:
                entry.value = value
            else:
                runtime.local.decoded(entry, value)
        return value  # type: ignore[no-any-return]

    def keep(self, key: Key, entry: Entry, noted: Noted, life: Lifetime, tier: LocalTier) -> None:
        """Put an entry into the local tier of the moment at which the stamps were noted, before it was read."""
        self._place(key, entry, noted, life, tier.now())
        # A composed list has the value of another region's entries.
        tier.put(entry, may_fold=not self.is_composed)

    def _place(self, key: Key, entry: Entry, noted: Noted, life: Lifetime, now: float) -> None:
        ttl, usable = min(life.local, life.fresh), life.usable
        if entry.value is None:
            ttl = usable = min(ttl, conf.NEGATIVE_TTL)
        if not runtime.hears_changes:
            # From when it was read: this process may have been stopped since.
            usable = ttl = min(ttl, noted.at + conf.LOCAL_TTL_WITHOUT_TRACKING - now)
        early = 0.0
        if runtime.redis is None:
            # One draw is all that a copy of this process alone needs; with Redis, an end here is only a look there.
            early = min(lead(life.cost), ttl / 2)
        entry.place(key.local, noted.slots, noted.stamps, now + ttl - early, now + ttl, now + max(ttl, usable))

    # --- warming ------------------------------------------------------------------------------------------------------

    def warm(self, orgs: Sequence[str] | None = None, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[int]:
        """Load what the region declares as hot, for these organisations or all; yields how many each batch has loaded.

        What the loader refuses is passed over.
        """
        # Imported here: it reads regions.
        from caching.loading import load_keys

        names = iter(self.warm_keys(orgs, using)) if self.warm_keys else iter(())
        while batch := list(islice(names, _WARM_BATCH)):
            yield load_keys([Key(self.name, org, parts, using) for org, *parts in batch])
