"""Who reads what, and how much: per minute and organisation, and the busiest keys, of all processes of the host."""

from __future__ import annotations

import heapq
import math
import os
import secrets
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from caching.activity import Batch
from caching.adaptive import Lives
from caching.conf import conf
from caching.keys import Key, parts_text
from caching.logs import logger
from caching.observer import Consumer
from caching.registry import registry
from caching.runtime import runtime
from caching.stats import COUNTERS, GAUGES

__all__ = ["BusyKey", "BusyOrg", "MinuteRow", "Top", "Usage"]

#: Minutes that are kept, for whoever writes them down late.
MINUTES_KEPT: Final = 5

# What is rarer than the busiest of these is forgotten between two looks.
_MOST_KEYS: Final = 1000
_MOST_ORGS: Final = 1000
_SHOWN: Final = 200
# An organisation's numbers of one minute take half a kilobyte; of the minute under way those of more are known, for
# nobody knows yet which are the busiest. Anybody may ask for organisations that there are not.
_MOST_ORGS_OF_A_MINUTE: Final = 200
_MOST_ORGS_UNDER_WAY: Final = 2000
# To say what was read takes about a millisecond.
_SHARE_SECONDS: Final = 2.0
# Rates are means over about this long.
_MEMORY_SECONDS: Final = 60.0
# What a process held that has said nothing for so long is gone with it.
_SILENT_SECONDS: Final = 10.0
# A counter that was looked at in the middle of a sample is a little smaller the next time.
_UNSURE: Final = 2
# What a process laid down that has said nothing for so long is removed, and what it left half written.
_GONE_SECONDS: Final = 86_400.0

Numbers = dict[str, int]

S = TypeVar("S")


class MinuteRow(msgspec.Struct, frozen=True):
    """One region's figures of one minute (counted since 1970), of the whole region (`org` is "") or an organisation.

    Of a region they are exact, all of `COUNTERS`; of an organisation `local_hits` (estimated from samples),
    `redis_hits`, `misses` and `invalidations` alone, and only the busiest have any.
    """

    minute: int
    region: str
    org: str
    numbers: Numbers


class BusyOrg(msgspec.Struct, frozen=True):
    """An organisation and how often it is read, in reads per second."""

    org: str
    rate: float


class BusyKey(msgspec.Struct, frozen=True):
    """A key and how often it is read, in reads per second.

    `name` is that of `Key.name`. `parts` are texts for `caching.keys.parts_of`; None where they may be personal.
    """

    region: str
    org: str
    name: str
    alias: str
    parts: tuple[str, ...] | None
    rate: float


class Top(msgspec.Struct, frozen=True):
    """The busiest organisations and keys of this host, the busiest first."""

    orgs: tuple[BusyOrg, ...]
    keys: tuple[BusyKey, ...]


class _Shared(msgspec.Struct):
    """What one process tells the others: its minutes, and its busiest at that moment of the clock's `wall`."""

    at: float
    minutes: list[MinuteRow]
    orgs: list[BusyOrg]
    keys: list[BusyKey]
    lives: Lives = {}


class _SharedRates(msgspec.Struct):
    at: float
    orgs: list[BusyOrg]
    keys: list[BusyKey]


class _SharedLives(msgspec.Struct):
    at: float
    lives: Lives = {}


class _SharedMinutes(msgspec.Struct):
    minutes: list[MinuteRow]


_encode: Final = msgspec.json.Encoder().encode
# What nobody asks for is not made: of a hundred processes, that is most of what there is.
_rates_of: Final = msgspec.json.Decoder(_SharedRates)
_lives_of: Final = msgspec.json.Decoder(_SharedLives)
_minutes_of: Final = msgspec.json.Decoder(_SharedMinutes)


class _Rates:
    """Decayed counts: forward decay (Cormode, Shkapenyuk, Srivastava and Xu, ICDE 2009), of the most frequent alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._weights: dict[object, float] = {}
        self._origin = 0.0

    def add(self, counts: Iterable[tuple[object, float]], now: float) -> None:
        weights = self._weights
        if now - self._origin > 50 * _MEMORY_SECONDS:
            # Weights grow with time; before they grow too large they are counted from a later moment.
            shrunk = math.exp(-min(700.0, (now - self._origin) / _MEMORY_SECONDS))
            weights = self._weights = {what: weight * shrunk for what, weight in weights.items()}
            self._origin = now
        factor = math.exp((now - self._origin) / _MEMORY_SECONDS)
        for what, count in counts:
            weights[what] = weights.get(what, 0.0) + count * factor
        if len(weights) > self._most:
            self._weights = dict(heapq.nlargest(self._most, weights.items(), key=lambda item: item[1]))

    def top(self, count: int, now: float) -> list[tuple[object, float]]:
        """Return the most frequent and their rates per second."""
        per_second = math.exp(-(now - self._origin) / _MEMORY_SECONDS) / _MEMORY_SECONDS
        largest = heapq.nlargest(count, self._weights.items(), key=lambda item: item[1])
        return [(what, weight * per_second) for what, weight in largest]


class Usage(Consumer):
    """Adds up what this process reads, tells the other processes of the host, and knows what they tell.

    Each process has a file of its own beside the host's stamps, replaced as a whole, that outlives it: what it read
    in its last minute is written down by whoever leads.
    """

    def __init__(self) -> None:
        self._minutes: dict[int, dict[tuple[str, str], Numbers]] = {}
        self._counted: dict[str, Numbers] = {}
        self._keys = _Rates(_MOST_KEYS)
        self._orgs = _Rates(_MOST_ORGS)
        self._share_again = 0.0
        self._complained = False
        self._statistics = runtime.statistics
        self._inherit()
        self._tidy()

    # --- this process -------------------------------------------------------------------------------------------------

    def observe(self, batch: Batch) -> None:
        reads, now = {key: count for key, count in batch.reads().items() if _is_name(key[2])}, runtime.clock.now()
        self._keys.add(reads.items(), now)
        self._orgs.add(((key[2], count) for key, count in reads.items()), now)
        this_minute = int(runtime.clock.wall() // 60)
        minute = self._minutes.setdefault(this_minute, {})
        self._count_regions(minute)
        for name, counts in (("local_hits", batch.hits), ("redis_hits", batch.found), ("misses", batch.missed)):
            for key, count in counts.items():
                _add(minute, (key[0], key[2]), name, round(count))
        for key, count in batch.written.items():
            _add(minute, (key[0], key[2]), "invalidations", count)
        for scope, count in batch.widened.items():
            _add(minute, scope, "invalidations", count)
        self._forget(this_minute)
        if now >= self._share_again:
            self._share_again = now + _SHARE_SECONDS
            self.share()

    def _forget(self, this_minute: int) -> None:
        for each, rows in list(self._minutes.items()):
            # On both sides: the clock may have been set back.
            if abs(each - this_minute) >= MINUTES_KEPT:
                del self._minutes[each]
            elif len(rows) > (_MOST_ORGS_UNDER_WAY if each == this_minute else _MOST_ORGS_OF_A_MINUTE):
                most = _MOST_ORGS_UNDER_WAY // 2 if each == this_minute else _MOST_ORGS_OF_A_MINUTE
                self._minutes[each] = dict(_busiest(rows, most))

    def _count_regions(self, minute: dict[tuple[str, str], Numbers]) -> None:
        for region, counted in self._statistics.process().items():
            before = self._counted.get(region, {})
            numbers = minute.setdefault((region, ""), dict.fromkeys(COUNTERS, 0))
            for name, value in counted.items():
                if name in GAUGES:
                    numbers[name] = value
                    continue
                more = value - before.get(name, 0)
                if -_UNSURE <= more < 0:
                    counted[name] = before[name]
                else:
                    # They begin anew when the settings change.
                    numbers[name] += more if more >= 0 else value
            self._counted[region] = counted

    # --- all processes of the host ------------------------------------------------------------------------------------

    def minutes(self, minute: int) -> list[MinuteRow]:
        """Return that minute's rows, of all processes of the host added up; none if nothing happened or it is long ago.

        Minutes are counted since 1970, by the clock's `wall`; the one under way is incomplete.
        """
        totals: dict[tuple[str, str], Numbers] = {}
        for shared in self._everything(_minutes_of):
            for row in shared.minutes:
                if row.minute == minute:
                    numbers = totals.setdefault((row.region, row.org), {})
                    for name, value in row.numbers.items():
                        numbers[name] = numbers.get(name, 0) + value
        return [
            MinuteRow(minute, region, org, numbers)
            for (region, org), numbers in sorted(totals.items())
            if any(value for name, value in numbers.items() if name not in GAUGES)
        ]

    def top(self, count: int = 10) -> Top:
        """Return the busiest organisations and keys; those of processes that fell silent count for less and less."""
        orgs: dict[str, float] = {}
        keys: dict[str, BusyKey] = {}
        rates: dict[str, float] = {}
        now = runtime.clock.wall()
        for shared in self._everything(_rates_of):
            # Whose clock was ahead, or ours has been set back: nobody knows how long ago it was.
            faded = math.exp(-abs(now - shared.at) / _MEMORY_SECONDS)
            for org in shared.orgs:
                orgs[org.org] = orgs.get(org.org, 0.0) + org.rate * faded
            for key in shared.keys:
                keys[key.name] = key
                rates[key.name] = rates.get(key.name, 0.0) + key.rate * faded
        return Top(
            tuple(BusyOrg(org, rate) for org, rate in heapq.nlargest(count, orgs.items(), key=lambda item: item[1])),
            tuple(
                msgspec.structs.replace(keys[name], rate=rate)
                for name, rate in heapq.nlargest(count, rates.items(), key=lambda item: item[1])
            ),
        )

    def lives(self) -> Lives:
        """Return the adaptive times to live that the processes of the host gave the values they loaded."""
        total: dict[str, Counter[float]] = {}
        oldest = runtime.clock.wall() - _SILENT_SECONDS
        for shared in self._everything(_lives_of):
            for region, lives in shared.lives.items() if shared.at >= oldest else ():
                total.setdefault(region, Counter()).update(lives)
        return {region: dict(lives) for region, lives in total.items()}

    def _everything(self, decoder: msgspec.json.Decoder[S]) -> Iterator[S | _Shared]:
        yield self._own()
        for block in self._statistics.others():
            shared = _read(self._statistics.path_of(block), decoder)
            if shared is not None:
                yield shared

    def _own(self) -> _Shared:
        now = runtime.clock.now()
        return _Shared(
            at=runtime.clock.wall(),
            minutes=[
                MinuteRow(minute, region, org, numbers)
                for minute, rows in self._minutes.items()
                for (region, org), numbers in _busiest(rows, _MOST_ORGS_OF_A_MINUTE)
            ],
            orgs=[BusyOrg(str(org), rate) for org, rate in self._orgs.top(_SHOWN, now)],
            keys=[_busy_key(key, rate) for key, rate in self._keys.top(_SHOWN, now)],
            lives=runtime.adaptive.lives() if conf.ADAPTIVE_TTL else {},
        )

    def _inherit(self) -> None:
        # Of a process that has ended and whose number this one has got.
        block = self._statistics.block
        shared = _read(self._statistics.path_of(block), _minutes_of) if block is not None else None
        for row in shared.minutes if shared is not None else ():
            self._minutes.setdefault(row.minute, {})[row.region, row.org] = row.numbers

    def _tidy(self) -> None:
        # Every release, and every start of the machine where the folder outlives it, has files of its own.
        oldest = runtime.clock.wall() - _GONE_SECONDS
        for path in self._statistics.all_paths():
            with suppress(OSError):
                if path.lstat().st_mtime < oldest:
                    path.unlink()

    def share(self) -> None:
        """Show the other processes of the host what this one has read, now."""
        block = self._statistics.block
        if block is None:
            return
        try:
            _write(self._statistics.path_of(block), _encode(self._own()))
        except OSError as error:
            if not self._complained:
                self._complained = True
                logger.warning(
                    "Other processes do not learn what this one reads: %(error)s",
                    {"error": error},
                    extra={"event": "usage_not_shared"},
                )


def _is_name(text: str) -> bool:
    # Organisations and parts come from whoever asks. What is empty stands for the whole region here, and half a
    # character, which JSON may hold, for nothing that can be written down.
    return bool(text) and text.isprintable()


def _add(minute: dict[tuple[str, str], Numbers], which: tuple[str, str], name: str, count: int) -> None:
    if not _is_name(which[1]):
        return
    numbers = minute.setdefault(which, {})
    numbers[name] = numbers.get(name, 0) + count


def _busiest(rows: dict[tuple[str, str], Numbers], most: int) -> Iterator[tuple[tuple[str, str], Numbers]]:
    whole = [item for item in rows.items() if not item[0][1]]
    of_orgs = [item for item in rows.items() if item[0][1]]
    yield from [*whole, *heapq.nlargest(most, of_orgs, key=lambda item: sum(item[1].values()))]


def _busy_key(local_key: Any, rate: float) -> BusyKey:
    region, alias, org, *parts = local_key
    personal = region not in registry.regions or registry.regions[region].personal
    name = Key(region, org, parts, alias).name
    texts = None if personal else parts_text(parts)
    return BusyKey(region, org, name, alias, texts if texts is None or all(map(_is_name, texts)) else None, rate)


def _read(path: Path, decoder: msgspec.json.Decoder[S]) -> S | None:
    with suppress(OSError, msgspec.DecodeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                return decoder.decode(file.read())
    return None


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.rename(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
