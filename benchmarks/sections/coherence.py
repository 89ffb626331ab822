"""How soon a write is seen elsewhere, what it costs its writer, and what it leaves the next reader to do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.bench import Bench
from benchmarks.conversation import Answer, Worker
from benchmarks.place import Place
from benchmarks.results import OURS, Row, Sample, Target
from benchmarks.workers.lag import BEFORE, RETURNED, SEEN, STORED, TOLD
from benchmarks.workers.startup import WITH, WITHOUT
from benchmarks.workers.writes import COLD
from benchmarks.world import ACTIVE
from caching import regions

__all__ = ["TITLE", "lags", "rows", "startups"]

TITLE: Final = "Writes and invalidation"

_LAG: Final = "benchmarks.workers.lag"
_WRITES: Final = "benchmarks.workers.writes"
_BASE: Final = "django.setup() without it"
_RETURNED: Final = "until that look returned"

# Rounds that do not count are tried again, so often in all.
_ATTEMPTS: Final = 3
# Between two looks lies a microsecond, and a store takes five: whoever took longer was not at work.
_AWAY: Final = 100e-6

_HOST_NOTE: Final = (
    "Region.invalidate in one process, without Redis: from just before it stores the first new stamp until the first "
    "look (Region.hit) that is no hit in another process, which does nothing but look. Having seen it, that look drops "
    "the copy. Each process has a processor of its own, where the system lets it choose; rounds in which another took "
    "it from them meanwhile do not count."
)
_REDIS_NOTE: Final = (
    "A profile is saved by a process with stamps of its own, as on another host: from just before its commit sends the "
    "mark, ahead of the COMMIT, until the reader's first look that is no hit. After each look the reader lets its "
    "listening thread run."
)
_BUSY_NOTE: Final = (
    "The same, but the reader's thread never lets go of the interpreter, which its listening thread then gets after "
    "5 ms (sys.getswitchinterval)."
)
_TRIPS_NOTE: Final = "Batches that the writing thread sends to Redis: all marks, and after the COMMIT all unmarks."
_SAVE_NOTE: Final = (
    "A save of a row's eighteen fields in a transaction, beside the same by a model of the same table that no cache "
    "depends on. SQLite in memory: the COMMIT costs nearly nothing."
)
_LIST_NOTE: Final = (
    f"One of {ACTIVE} active orders is updated, then get_active_orders; beside the same read after clear_all, which "
    "makes all copies in local memory and in Redis misses. SQLite in memory."
)
_QUERIES_NOTE: Final = "Ids and versions of the list; the order, with the currency of its organisation; its lines."
_STARTUP_NOTE: Final = (
    "What `caching` in INSTALLED_APPS adds to django.setup() of a project of six contrib apps and DRF, without Redis; "
    "fresh interpreters, one with it and one without it by turns."
)


def rows(bench: Bench) -> Iterator[Row]:
    """Yield how soon writes are seen, what they cost, the list after an update, and the start-up."""
    database = bench.place.database_copy("coherence")
    yield from _seen(bench, database)
    # Both at once: to start takes a process longer than most of what it is asked.
    with (
        _worker(bench, _WRITES, database, "writers-host") as worker,
        _worker(bench, _WRITES, database, "host", REDIS_URL="") as alone,
    ):
        yield from _written(bench, worker, alone)
        yield from _listed(bench, worker)
    yield from _startup(bench)


def _worker(bench: Bench, module: str, database: str, host: str, **environment: str) -> Worker:
    stamps = bench.place.folder / host
    stamps.mkdir(exist_ok=True)
    return Worker(
        bench.place,
        module,
        **{
            "DATABASE_URL": database,
            "CACHING_STAMPS_DIR": str(stamps),
            "CACHING_PREFIX": "coherence:",
            **environment,
        },
    )


# --- how soon a write is seen -----------------------------------------------------------------------------------------


def _seen(bench: Bench, database: str) -> Iterator[Row]:
    bench.say("seen by another process of the host")
    with (
        _worker(bench, _LAG, database, "host", REDIS_URL="") as writer,
        _worker(bench, _LAG, database, "host", REDIS_URL="") as reader,
    ):
        for index, worker in enumerate((writer, reader)):
            worker.ask("pinned", index)
        found = lags(writer, "invalidated", reader, "watched", rounds=bench.often(400, 80), undisturbed=True)
    yield Row(
        id="coherence.host",
        what="Invalidation seen by another process of the host",
        samples=found,
        targets=[Target("limit", 20e-6)],
        note=_HOST_NOTE,
    )
    bench.say("seen by another host, through Redis")
    rounds = bench.often(200, 40)
    with (
        _worker(bench, _LAG, database, "writers-host") as writer,
        _worker(bench, _LAG, database, "readers-host") as reader,
    ):
        found = lags(writer, "saved", reader, "watched politely", rounds=rounds)
        busy = lags(writer, "saved", reader, "watched", rounds=rounds // 4)
    yield Row(
        id="coherence.redis",
        what="Invalidation seen by another host, through Redis",
        samples=found,
        targets=[Target("limit", 1.5e-3)],
        note=_REDIS_NOTE,
    )
    yield Row(
        id="coherence.redis-busy",
        what="The same, by a process that is never idle",
        samples=busy,
        note=_BUSY_NOTE,
    )


def lags(writer: Worker, write: str, reader: Worker, watch: str, *, rounds: int, undisturbed: bool = False) -> Answer:
    """Return the seconds from each write, told by `writer`, until `reader` saw it, and until that look had returned.

    With `undisturbed` only rounds count in which neither process was kept from its processor meanwhile. Raises
    `RuntimeError` when no round counts: the reader came too late, or heard of an earlier write.
    """
    seen, returned = list[float](), list[float]()
    # The first round makes connections and epochs.
    for turn in range(1 + _ATTEMPTS * rounds):
        reader.ask("held")
        reader.put(watch)
        written = writer.ask(write)
        look = reader.take()
        told = _moment(written, TOLD)
        if not turn or not look or _moment(look, RETURNED) < told:
            continue
        if undisturbed and max(_moment(written, STORED) - told, _moment(look, SEEN) - _moment(look, BEFORE)) > _AWAY:
            continue
        end = _moment(look, RETURNED) - told
        # Of a look that was under way nobody knows at which moment it looked: at its end at the latest.
        seen.append(_moment(look, SEEN) - told if _moment(look, SEEN) > told else end)
        returned.append(end)
        if len(seen) == rounds:
            break
    if not seen:
        raise RuntimeError("The reader saw none of the writes as they happened.")
    return {OURS: Sample(tuple(seen)), _RETURNED: Sample(tuple(returned))}


def _moment(answer: Answer, name: str) -> float:
    sample = answer[name]
    assert isinstance(sample, Sample)  # noqa: S101 -- for the type checker: this worker measures or dies
    return sample.rounds[0]


# --- what a write costs -----------------------------------------------------------------------------------------------


def _written(bench: Bench, worker: Worker, alone: Worker) -> Iterator[Row]:
    bench.say("what a write costs")
    trips = worker.ask("trips of profile", bench.often(20, 3))
    yield _count("trips", "Round trips to Redis added by a save of one profile", trips, 2, _TRIPS_NOTE)
    trips = worker.ask("trips of orders", bench.often(5, 1))
    yield _count("trips-100", f"Those added by a transaction that changes {ACTIVE} orders", trips, 2, _TRIPS_NOTE)
    rounds = bench.often(300, 30)
    yield Row(
        id="coherence.write",
        what="A save of one profile, marked in Redis and for the host",
        samples=worker.ask("saves", rounds),
        note=_SAVE_NOTE,
    )
    yield Row(
        id="coherence.write-local",
        what="The same without Redis: marked for the host alone",
        samples=alone.ask("saves", rounds),
        note=_SAVE_NOTE,
    )


def _count(short: str, what: str, samples: Answer, most: float, note: str) -> Row:
    """Return the row of something that is counted, of which there may be so many at most."""
    return Row(f"coherence.{short}", what, samples, [Target("limit", most)], unit="x", note=note)


# --- a list of which one item has changed -----------------------------------------------------------------------------


def _listed(bench: Bench, worker: Worker) -> Iterator[Row]:
    bench.say("a list after an update")
    yield Row(
        id="coherence.list-update",
        what=f"{ACTIVE} active orders, read after one was updated",
        samples=worker.ask("list updates", bench.often(40, 6)),
        targets=[Target("at most", 0.10, COLD)],
        note=_LIST_NOTE,
    )
    rounds = bench.often(10, 2)
    yield _count("list-queries", "Queries of that read", worker.ask("list queries", rounds), 3, _QUERIES_NOTE)
    yield _count("list-rows", "Rows of orders that it loads", worker.ask("list rows", rounds), 1, _QUERIES_NOTE)


# --- start-up ---------------------------------------------------------------------------------------------------------


class Startup(msgspec.Struct, frozen=True):
    """How many seconds a start took, and whether it imported redis (1) or not (0)."""

    seconds: float
    redis: int


def _startup(bench: Bench) -> Iterator[Row]:
    bench.say("start-up")
    with_it, without = startups(bench.place, rounds=bench.often(12, 2))
    added = [one.seconds - other.seconds for one, other in zip(with_it, without, strict=True)]
    yield Row(
        id="coherence.startup",
        what="What caching adds to django.setup()",
        samples={OURS: Sample(tuple(added)), _BASE: Sample(tuple(each.seconds for each in without))},
        targets=[Target("limit", 0.100)],
        note=_STARTUP_NOTE,
    )
    redis: Answer = {OURS: Sample((float(sum(each.redis for each in with_it)),))}
    yield _count("startup-redis", "Starts that import redis, though none is configured", redis, 0, _STARTUP_NOTE)


def startups(place: Place, *, rounds: int) -> tuple[list[Startup], list[Startup]]:
    """Return `rounds` starts with the framework and as many without, by turns, after one that does not count."""
    # It writes the bytecode of both.
    _said(_started(place, WITH))
    with_it, without = list[Startup](), list[Startup]()
    for _ in range(rounds):
        with_it.append(_said(_started(place, WITH)))
        without.append(_said(_started(place, WITHOUT)))
    return with_it, without


def _started(place: Place, which: str) -> subprocess.Popen[bytes]:
    # As installed: bytecode is there from the first start at the latest, for this and for what it needs.
    bytecode = {"PYTHONDONTWRITEBYTECODE": ""}
    if not _is_bytecode_kept():
        bytecode["PYTHONPYCACHEPREFIX"] = str(place.folder / "bytecode")
    environment = place.environment(REDIS_URL="", **bytecode)
    return place.python(["-m", "benchmarks.workers.startup", which], environment)


def _is_bytecode_kept() -> bool:
    """Say whether what this process has imported was, which spares the first start a second or two."""
    return Path(cache_from_source(regions.__file__)).exists()


def _said(process: subprocess.Popen[bytes]) -> Startup:
    said, _ = process.communicate()
    return msgspec.json.decode(said, type=Startup)
