"""One value in local memory: what it is, and what it is valid under."""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import Any, Final

import msgspec

from caching.stamps import Slots

__all__ = ["UNDECODED", "Entry", "LocalKey"]

#: Stands for a snapshot nobody has asked for yet: the bytes were enough.
UNDECODED: Final = object()

LocalKey = tuple[Any, ...]


class Entry(msgspec.Struct, eq=False):
    """One value: its JSON, its snapshot (decoded at most once) and what it is valid under.

    `until` is the clock's `now` after which it is no plain hit, `expires` that after which it is too old, and `usable`
    that after which it may not even stand in while the database fails. `stale` marks what was handed out as such a
    stand-in; `unasked` what nobody has asked for since it was loaded, `foreseen` of that what prediction has loaded.
    `may_be_kept` says that Redis had or accepted it (or that there is no Redis); `parts` are the entries a list is
    composed of; `version` is the snapshot's own if that is known without decoding it. `visited`, `may_fold`, `size`
    (0: none does), `newer` and `older` belong to the tier that keeps it.
    """

    body: bytes
    value: Any = UNDECODED
    parts: tuple[Entry, ...] = ()
    version: int | None = None
    may_be_kept: bool = False
    # Until it is placed it is found under nothing, and has no end.
    key: LocalKey = ()
    key_slot: int = 0
    scope_slot: int = 0
    region_slot: int = 0
    key_stamp: int = 0
    scope_stamp: int = 0
    region_stamp: int = 0
    until: float = inf
    expires: float = inf
    usable: float = inf
    stale: bool = False
    unasked: bool = False
    foreseen: bool = False
    visited: bool = False
    may_fold: bool = False
    size: int = 0
    newer: Entry | None = None
    older: Entry | None = None
    _etag: str | None = None

    def __repr__(self) -> str:
        # Not its fields: they hold people's data, and the entries beside it.
        return f"<Entry of {len(self.body)} bytes>"

    @property
    def etag(self) -> str:
        """The strong HTTP entity tag of the body, in quotes."""
        if self._etag is None:
            self._etag = f'"{blake2b(self.body, digest_size=12).hexdigest()}"'
        return self._etag

    def place(
        self,
        key: LocalKey,
        slots: Slots,
        noted: tuple[int, int, int],
        until: float,
        expires: float | None = None,
        usable: float | None = None,
    ) -> None:
        """Bind the entry to its key, to the stamps noted before it was read, and to its times (default: all one)."""
        self.key = key
        self.key_slot, self.scope_slot, self.region_slot = slots
        self.key_stamp, self.scope_stamp, self.region_stamp = noted
        self.until = until
        self.expires = until if expires is None else expires
        self.usable = self.expires if usable is None else usable

    def watch(self, *, foreseen: bool = False) -> None:
        """Have the first hit noticed: it is no plain one, and the others pay nothing for that."""
        self.unasked, self.foreseen, self.until = True, foreseen, 0.0

    def stand_in(self) -> Entry:
        """Return a copy for a caller who gets no better one: marked stale, never kept."""
        return Entry(self.body, self.value, self.parts, self.version, self.may_be_kept, stale=True)
