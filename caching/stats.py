"""What the cache did: counted in plain attributes on the hit path, added up over the processes of the host."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from caching.errors import HostFileError
from caching.hostfile import BLOCKS, HEADER_BYTES, HostFile, boot_id, host_file_path
from caching.logs import logger
from caching.registry import registry

if TYPE_CHECKING:
    from caching.tiers.local import LocalTier

__all__ = ["COUNTERS", "GAUGES", "SAMPLE_EVERY", "Counters", "Statistics", "describe", "hit_rate"]

#: One in so many local hits is timed, and its key noted: at first, where they are few, and where they are many.
SAMPLE_EVERY: Final = 64
_LEAST_EVERY: Final = 16
_MOST_EVERY: Final = 4096
# Numbers up to this Python has at hand; larger ones are made anew, by every hit.
_LONGEST_COUNTDOWN: Final = 256
# Samples that come closer than this are too many, and further apart than this too few.
_CLOSE_NS: Final = 1_000_000
_APART_NS: Final = 100_000_000

# When the counters of this process began.
_BEGAN: Final = time.time()

# A busy process shows its counters to the others this often.
_SHARE_SECONDS: Final = 0.2

#: `*_ns` are nanoseconds added up over as many `*_samples`; `entries` and `bytes` are what local memory holds now.
COUNTERS: Final = (
    "local_hits", "redis_hits", "misses", "joined", "stale", "refreshed", "bypassed", "loads", "load_ns", "refused",
    "rejected", "undecryptable", "errors", "invalidations", "received", "evictions", "audited", "violations",
    "prefetched", "prefetch_hits", "local_ns", "local_samples", "redis_ns", "redis_samples", "miss_ns", "miss_samples",
    "entries", "bytes",
)  # fmt: skip
#: Of these, what there is now; the others only grow.
GAUGES: Final = ("entries", "bytes")


class Counters:
    """The counters of one region in this process.

    `misses` counts requests that the database answered; `joined` those that took what another read was just getting;
    `stale` those that got an expired value because the database failed or was slow; `refreshed` loads made shortly
    before a value expired; `bypassed` how many requests may not use the cache (a writer is pending, or the caller's own
    transaction has written); `refused` loads that may not fill it; `rejected` values in Redis of another epoch,
    schema, format, key, or damaged, of which `undecryptable` were refused by encryption; `errors` round trips that
    Redis did not answer.
    `invalidations` are keys and scopes that writers here made stale, `received` those of which Redis told; `audited`
    hits were compared with the database, `violations` of these were old; `prefetched` values were loaded before
    anybody asked, and `prefetch_hits` of these were asked for then.
    """

    # Local hits are counted down to one that may be sampled: one small number for both is what a hit can afford.
    __slots__ = (
        *(name for name in COUNTERS if name != "local_hits"),
        "_countdowns",
        "_hits_at_end",
        "_sample_every",
        "_sampled_ns",
        "left",
    )
    #: How many local hits are left of the countdown.
    left: int
    redis_hits: int
    misses: int
    joined: int
    stale: int
    refreshed: int
    bypassed: int
    loads: int
    load_ns: int
    refused: int
    rejected: int
    undecryptable: int
    errors: int
    invalidations: int
    received: int
    evictions: int
    audited: int
    violations: int
    prefetched: int
    prefetch_hits: int
    local_ns: int
    local_samples: int
    redis_ns: int
    redis_samples: int
    miss_ns: int
    miss_samples: int
    entries: int
    bytes: int

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.left = self._sample_every = SAMPLE_EVERY
        self._countdowns = self._sampled_ns = 0
        for name in COUNTERS:
            setattr(self, name, 0)

    @property
    def local_hits(self) -> int:
        # Settings that change in the middle of a sample leave one hit too few behind.
        return max(0, self._hits_at_end - self.left)

    @local_hits.setter
    def local_hits(self, hits: int) -> None:
        self._hits_at_end = hits + self.left

    def begin_countdown(self) -> bool:
        """Begin the next countdown, unless the hit at the end of this one is to be `sampled`; say whether it is."""
        if not self._countdowns:
            return True
        self._countdowns -= 1
        self._count_down()
        return False

    def sampled(self, now_ns: int) -> None:
        """Say when the next local hit is sampled: few of very many, so that they pay nothing, and many of few."""
        since, every = now_ns - self._sampled_ns, self._sample_every
        self._sampled_ns = now_ns
        if since < _CLOSE_NS:
            self._sample_every = min(_MOST_EVERY, every * 2)
        elif since > _APART_NS:
            self._sample_every = max(_LEAST_EVERY, every // 2)
        self._countdowns = (self._sample_every - 1) // _LONGEST_COUNTDOWN
        self._count_down()

    def _count_down(self) -> None:
        hits = min(self._sample_every, _LONGEST_COUNTDOWN)
        self._hits_at_end += hits - self.left
        self.left = hits

    def values(self) -> list[int]:
        return [getattr(self, name) for name in COUNTERS]


def hit_rate(numbers: Mapping[str, int]) -> float:
    """Return the share of requests that a tier answered, 0.0 to 1.0; 0.0 when there were none."""
    hits = numbers["local_hits"] + numbers["redis_hits"]
    requests = hits + numbers["misses"]
    return hits / requests if requests else 0.0


class Statistics:
    """Adds up the regions' counters of all processes of the host through a file they share.

    Without such a file it knows this process alone. Other processes' figures lag a little: they are shown on misses
    and sampled hits, at most every 0.2 seconds, and when a process ends. `local` returns the local tier there is at
    the moment, which knows what each region holds there; `wake` is called whenever the figures were shared, for they
    have changed.
    """

    def __init__(self, local: Callable[[], LocalTier | None], wake: Callable[[], object] = lambda: None) -> None:
        self._local = local
        self._wake = wake
        self._regions = {name: region.counters for name, region in sorted(registry.regions.items())}
        self._lock = threading.Lock()
        self._row = struct.Struct(f"={len(COUNTERS) * len(self._regions)}Q")
        self._file: HostFile | None = None
        self._block = 0
        self._share_again = 0.0
        self._inherited: list[int] = []
        #: What tells apart releases that count other things, and so cannot be added up.
        self.release = blake2b(repr((COUNTERS, list(self._regions))).encode(), digest_size=6).hexdigest()
        try:
            path = host_file_path(f"stats-{self.release}")
            self._file = HostFile(path, layout=b"stats1", size=self._row.size * BLOCKS)
            self._claim(self._file)
        except HostFileError as error:
            self._file = None
            logger.warning(
                "Statistics are of this process alone: %(error)s",
                {"error": error},
                extra={"event": "statistics_not_shared"},
            )

    def _claim(self, file: HostFile) -> None:
        self._block = file.claim_block()
        # What a process counted that has ended since still happened; its memory, though, is gone.
        self._inherited = list(self._row.unpack_from(file.view, self._at(self._block)))
        for index, name in enumerate(COUNTERS * len(self._regions)):
            if name in GAUGES:
                self._inherited[index] = 0

    def _at(self, block: int) -> int:
        return HEADER_BYTES + block * self._row.size

    def share_soon(self) -> None:
        """Show this process's counters to the others, unless that was done a moment ago: it costs as much as a read."""
        if time.monotonic() >= self._share_again:
            self.share()
            self._wake()

    def share(self) -> None:
        """Show this process's counters to the others, now."""
        self._share_again = time.monotonic() + _SHARE_SECONDS
        with self._lock:
            self._measure()
            if self._file is not None:
                self._row.pack_into(self._file.view, self._at(self._block), *self._own())

    def _measure(self) -> None:
        local = self._local()
        evictions = local.take_evictions() if local is not None else {}
        for name, counters in self._regions.items():
            counters.entries = local.entries_of[name] if local is not None else 0
            counters.bytes = local.bytes_of[name] if local is not None else 0
            counters.evictions += evictions.get(name, 0)

    def _own(self) -> Iterable[int]:
        mine = [value for counters in self._regions.values() for value in counters.values()]
        return map(sum, zip(mine, self._inherited, strict=True)) if self._inherited else mine

    def host(self) -> dict[str, dict[str, int]]:
        """Return the counters of every region, added up over all processes of this host."""
        self.share()
        totals = [0] * (len(COUNTERS) * len(self._regions))
        if self._file is None:
            totals = list(self._own())
        else:
            gauges = [name in GAUGES for name in COUNTERS] * len(self._regions)
            for block in range(self._file.claimed_blocks()):
                lives = block == self._block or self._file.is_held(block)
                row = self._row.unpack_from(self._file.view, self._at(block))
                totals = [
                    total + (value if lives or not gauge else 0)
                    for total, value, gauge in zip(totals, row, gauges, strict=True)
                ]
        width = len(COUNTERS)
        return {
            region: dict(zip(COUNTERS, totals[index * width : (index + 1) * width], strict=True))
            for index, region in enumerate(self._regions)
        }

    @property
    def block(self) -> int | None:
        """The number of this process among those of the host, or None; an ended process's is given away again."""
        return None if self._file is None else self._block

    def others(self) -> list[int]:
        """Return the numbers of all other processes that there ever were."""
        return [] if self._file is None else [n for n in range(self._file.claimed_blocks()) if n != self._block]

    def path_of(self, block: int) -> Path:
        """Return where the process of that number may lay down what goes with its counters.

        Of another file of statistics, as other releases have, it is another place. Raises `HostFileError` without one.
        """
        if self._file is None:
            raise HostFileError("Statistics are of this process alone.")
        return self._file.path.with_name(f"{self._file.path.name}.{self._file.token[:12]}.usage.{block}")

    def all_paths(self) -> list[Path]:
        """Return all that lies there, of all processes and releases that there ever were."""
        if self._file is None:
            return []
        which = self._file.path.name.partition(".")[0]
        return list(self._file.path.parent.glob(f"{which}.*usage.*"))

    @property
    def host_id(self) -> str:
        """What tells this host from others, containers of one name included, until it is started anew."""
        file = self._file
        own = "alone" if file is None else f"{file.path}:{file.inode}:{boot_id().hex()}:{file.token}"
        return blake2b(f"{socket.gethostname()}:{own}".encode(), digest_size=8).hexdigest()

    @property
    def since(self) -> float | None:
        """Since when `host` counts, in seconds since 1970; None when nobody knows."""
        return self.process_since if self._file is None else self._file.made

    @property
    def process_since(self) -> float:
        """Since when `process` counts, in seconds since 1970."""
        return _BEGAN

    def process(self) -> dict[str, dict[str, int]]:
        """Return the counters of every region of this process alone."""
        with self._lock:
            self._measure()
        return {
            region: dict(zip(COUNTERS, counters.values(), strict=True)) for region, counters in self._regions.items()
        }


def describe(numbers: Mapping[str, int]) -> dict[str, Any]:
    """Return what people read of a region's counters: requests, rates, mean times in milliseconds, memory in bytes.

    `prefetch_precision` is the share of the values loaded ahead that were asked for, `prefetch_recall` the share of the
    reads that would have been misses and were foreseen; 0 to 1, None when there were none.
    """

    def mean_ms(kind: str) -> float:
        return numbers[f"{kind}_ns"] / numbers[f"{kind}_samples"] / 1e6 if numbers[f"{kind}_samples"] else 0.0

    hits = numbers["local_hits"] + numbers["redis_hits"]
    requests = hits + numbers["misses"]
    spent = (
        numbers["local_hits"] * mean_ms("local")
        + numbers["redis_hits"] * mean_ms("redis")
        + numbers["misses"] * mean_ms("miss")
    )
    return {
        **{name: numbers[name] for name in COUNTERS if not name.endswith(("_ns", "_samples"))},
        "requests": requests,
        "hits": hits,
        "hit_rate": hit_rate(numbers),
        "avg_access_ms": spent / requests if requests else 0.0,
        "avg_local_ms": mean_ms("local"),
        "avg_redis_ms": mean_ms("redis"),
        "avg_miss_ms": mean_ms("miss"),
        "prefetch_precision": _share(numbers["prefetch_hits"], numbers["prefetched"]),
        "prefetch_recall": _share(numbers["prefetch_hits"], numbers["prefetch_hits"] + numbers["misses"]),
    }


def _share(part: int, whole: int) -> float | None:
    return min(1.0, part / whole) if whole else None
