"""How much memory a cached value takes: the process before and after, each cache in a fresh process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from benchmarks.bench import Bench
from benchmarks.conversation import Answer, Worker
from benchmarks.results import OURS, Row, Target
from benchmarks.workers.memory import CASHEWS, DICTIONARY, DOGPILE, LOCMEM
from benchmarks.world import ACTIVE

__all__ = ["TITLE", "rows"]

TITLE: Final = "Memory"

_WORKER: Final = "benchmarks.workers.memory"
# As many processes at once as there are processors in the smallest machine: time is not what is measured.
_AT_ONCE: Final = 2
_LITE: Final = 40_000
_BALANCES: Final = 100_000
_NOTE: Final = (
    "Process memory (unique set size) after everything was read as an object and as JSON, less that before. "
    "LocMemCache pickles the serializer's plain data; dogpile, cashews and the dictionary refer to our snapshots."
)


def rows(bench: Bench) -> Iterator[Row]:
    """Yield bytes per lite profile and per balance, and those of a list of active orders."""
    peers = (OURS, LOCMEM, *(() if bench.quick else (DOGPILE, CASHEWS, DICTIONARY)))
    lite, balances, lists = _LITE, _BALANCES, bench.often(10, 2)
    database = bench.place.database_copy("memory")

    def row(kind: str, what: str, count: int, *targets: Target) -> Row:
        bench.say(what)
        samples = _measured(bench, database, kind, peers, count)
        return Row(f"memory.{kind}", what, samples, targets, unit="bytes", note=_NOTE)

    with _worker(bench, database) as writer:
        # Lite profiles and balances are made, not read, so that the orders are written meanwhile.
        writer.put("prepared", lists)
        yield row("lite", f"Each of {lite:,} lite profiles", lite, Target("limit", 400))
        yield row("balances", f"Each of {balances:,} balances", balances, Target("at most", 0.5, LOCMEM))
        writer.take()
    yield row("active", f"Each of {lists} lists of {ACTIVE} active orders, with the orders it is made of", lists)


def _measured(bench: Bench, database: str, what: str, peers: Sequence[str], count: int) -> Answer:
    found: Answer = {}
    for first in range(0, len(peers), _AT_ONCE):
        with ExitStack() as stack:
            workers = []
            for peer in peers[first : first + _AT_ONCE]:
                worker = stack.enter_context(_worker(bench, database))
                worker.put("measured", what, peer, count)
                workers.append(worker)
            for worker in workers:
                found |= worker.take()
    return found


def _worker(bench: Bench, database: str) -> Worker:
    return Worker(bench.place, _WORKER, DATABASE_URL=database, REDIS_URL="", CACHING_PREFIX="memory:")
