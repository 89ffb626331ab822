"""One value in local memory: what it is, and what it is valid under."""

from __future__ import annotations

from hashlib import blake2b
from math import inf
from typing import Any, Final

from caching.stamps import Slots

__all__ = ["UNDECODED", "Entry", "LocalKey"]

#: Stands for a snapshot nobody has asked for yet: the bytes were enough.
UNDECODED: Final = object()

LocalKey = tuple[Any, ...]


class Entry:
    """One value: its JSON, its snapshot (decoded at most once) and what it is valid under.

    `until` is the clock's `now` after which it is no plain hit, `expires` that after which it is too old, and `usable`
    that after which it may not even stand in while the database fails. `stale` marks what was handed out as such a
    stand-in. `may_be_kept` says that Redis had or accepted it (or that there is no Redis); `parts` are the entries a
    list is composed of; `version` is the snapshot's own if that is known without decoding it. What follows belongs to
    the tier that keeps it: `size` (0: none does), `may_fold`, `visited`.
    """

    __slots__ = (
        "_etag", "body", "expires", "key", "key_slot", "key_stamp", "may_be_kept", "may_fold", "newer", "older",
        "parts", "region_slot", "region_stamp", "scope_slot", "scope_stamp", "size", "stale", "until", "usable",
        "value", "version", "visited",
    )  # fmt: skip

    def __init__(self, body: bytes, value: Any = UNDECODED, *, parts: tuple[Entry, ...] = ()) -> None:
        self.body = body
        self.value = value
        self.parts = parts
        self.version: int | None = None
        # Until it is placed it has no end.
        self.expires = inf
        self.may_be_kept = False
        self.stale = False
        self._etag: str | None = None
        self.visited = False
        self.may_fold = False
        self.size = 0
        self.newer: Entry | None = None
        self.older: Entry | None = None

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

    def stand_in(self) -> Entry:
        """Return a copy for a caller who gets no better one: marked stale, never kept."""
        copy = Entry(self.body, self.value, parts=self.parts)
        copy.stale = True
        copy.may_be_kept = self.may_be_kept
        copy.version = self.version
        return copy
