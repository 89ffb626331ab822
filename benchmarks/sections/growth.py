"""What a hit costs as work grows: entries, orders in a list, threads and processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.bench import Bench
from benchmarks.conversation import Answer, Worker
from benchmarks.results import OURS, Row, Sample, Target, Unable
from benchmarks.workers.growth import DICTIONARY, LATENCY

__all__ = ["TITLE", "factor", "rows"]

TITLE: Final = "Cost as work grows"

_WORKER: Final = "benchmarks.workers.growth"
_SIZES: Final = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
# The largest is more than a processor's caches hold; to fill takes longer than all look-ups.
_QUICK_SIZES: Final = (10, 1_000, 50_000)


def rows(bench: Bench) -> Iterator[Row]:
    """Yield the rows of each kind of growth, the smallest first."""
    counts = (1, 10, 100) if bench.quick else (1, 10, 100, 1000)
    database = bench.place.database_copy("growth")
    with Worker(bench.place, _WORKER, DATABASE_URL=database, CACHING_PREFIX="growth:") as worker:
        with Worker(bench.place, _WORKER, REDIS_URL="", CACHING_PREFIX="growth-alone:") as alone:
            # While the other starts too, and before anything is measured.
            bench.say("writing orders")
            worker.ask("organisations_prepared", counts)
            yield from _entries(bench, alone)
        yield from _orders(bench, worker, counts)
        yield from _at_once(bench, worker, "threads", (1, 8, 64) if bench.quick else (1, 2, 4, 8, 16, 32, 64))
        yield from _at_once(bench, worker, "processes", (1, 4) if bench.quick else (1, 2, 4, 8))


def _entries(bench: Bench, worker: Worker) -> Iterator[Row]:
    sizes = _QUICK_SIZES if bench.quick else _SIZES
    found: list[Answer] = []
    for size in sizes:
        bench.say(f"{size:,} entries")
        found.append(worker.ask("entries", size, bench.often(40, 10)))
        yield Row(
            id=f"growth.entries-{size}",
            what=f"A local hit among {size:,} entries, at random",
            samples=found[-1],
            note="The dictionary is looked up by the same keys in the same order." if size == sizes[0] else "",
        )
    yield Row(
        id="growth.entries-factor",
        what=f"A local hit among {sizes[-1]:,} entries, as a multiple of one among {sizes[0]}",
        samples=factor(found[0], found[-1]),
        targets=[Target("at most", 1.0, DICTIONARY)],
        unit="x",
    )


def factor(small: Answer, large: Answer) -> Answer:
    """Return how many times as long each took when there was more, round by round."""
    found: Answer = {}
    for name, before in small.items():
        after = large[name]
        if isinstance(before, Unable) or isinstance(after, Unable):
            found[name] = before if isinstance(before, Unable) else after
        else:
            found[name] = Sample(tuple(more / less for less, more in zip(before.rounds, after.rounds, strict=True)))
    return found


def _orders(bench: Bench, worker: Worker, counts: Sequence[int]) -> Iterator[Row]:
    for index, count in enumerate(counts):
        bench.say(f"{count:,} active orders")
        yield Row(
            id=f"growth.orders-{count}",
            what=f"A list of {count:,} active order{'s' if count > 1 else ''}",
            samples=worker.ask("orders", f"other-{index:04}", bench.often(40, 3)),
            note="Cold: its orders and their lines are loaded from SQLite, and kept." if not index else "",
        )


def _at_once(bench: Bench, worker: Worker, what: str, counts: Sequence[int]) -> Iterator[Row]:
    rounds: dict[int, list[Answer]] = {count: [] for count in counts}
    for turn in range(bench.often(3, 1)):
        bench.say(f"hits in many {what} at once, round {turn + 1}")
        for count in counts:
            rounds[count].append(worker.ask(what, count, bench.often(600, 100) / 1000))
    for count in counts:
        yield Row(
            id=f"growth.{what}-{count}",
            what=f"Local hits of a profile, {what}: {count}; all together",
            samples={OURS: _joined(rounds[count], OURS)},
            unit="requests/s",
        )
        yield Row(
            id=f"growth.{what}-latency-{count}",
            what=f"A local hit of a profile, {what}: {count}",
            samples={OURS: _joined(rounds[count], LATENCY)},
        )


def _joined(answers: Sequence[Answer], name: str) -> Sample | Unable:
    """Return the rounds of all answers, or the first reason why there are none."""
    rounds: list[float] = []
    for answer in answers:
        sample = answer[name]
        if isinstance(sample, Unable):
            return sample
        rounds += sample.rounds
    return Sample(tuple(rounds))
