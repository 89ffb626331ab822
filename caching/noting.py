"""The reader's first step: note the stamps, and only then look for writers under way."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from caching.keys import Key
from caching.runtime import runtime
from caching.stamps import Slots, slots_of

__all__ = ["Noted", "note_stamps"]


class Noted(msgspec.Struct, frozen=True, gc=False):
    """The slots of a key, the stamps that stood there before it was read, and the clock's `now` at that moment."""

    slots: Slots
    stamps: tuple[int, int, int]
    at: float


def note_stamps(keys: Iterable[Key]) -> tuple[dict[Key, Noted], set[Key]]:
    """Return what was noted for each key, and the keys that a writer of this host is just changing.

    Without stamps local memory is off, and nothing is noted; the writers that count are those of this process then that
    could not reach Redis.
    """
    stamps = runtime.stamps
    if stamps is None:
        relay = runtime.relay if runtime.redis is not None else None
        undelivered = relay.undelivered.regions if relay is not None else ()
        return {}, {key for key in keys if key.region in undelivered}
    noted, now = {}, runtime.clock.now()
    for key in keys:
        slots = slots_of(key)
        noted[key] = Noted(slots, stamps.note(slots), now)
    # Only now: a writer takes its record before it changes the stamps.
    pending = stamps.pending_slots()
    return noted, {key for key, each in noted.items() if pending.intersection(each.slots)} if pending else set()
