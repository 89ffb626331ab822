"""The specification's twelve operations, uncached and cached, on each database, and on one that is far away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final, NamedTuple

from benchmarks.bench import Bench
from benchmarks.conversation import Answer, Worker
from benchmarks.postgres import PostgresUnavailable
from benchmarks.results import OURS, Row, Sample, Target, Unable
from benchmarks.workers.operations import DATABASE, FROM_REDIS, QUERIES

__all__ = ["TITLE", "rows"]

TITLE: Final = "The specification's operations"

_WORKER: Final = "benchmarks.workers.operations"
_FAR: Final = 0.05


class _Operation(NamedTuple):
    """`limit` is how many seconds a hit may take by the specification; None: it says nothing."""

    what: str
    limit: float | None = None


_OPERATIONS: Final = {
    "profile": _Operation("A profile", 0.010),
    "profiles": _Operation("10 profiles, one by one"),
    "lite": _Operation("A lite profile", 0.010),
    "batch": _Operation("10 profiles in a batch"),
    "active": _Operation("100 active orders", 0.050),
    "by-status": _Operation("25 orders of one status", 0.050),
    "order": _Operation("An order", 0.050),
    "page": _Operation("A page of 20 orders", 0.050),
    "balance": _Operation("A customer's balance", 0.010),
    "summary": _Operation("The billing summary of a day", 0.020),
    "bill": _Operation("The total of a bill", 0.020),
    "checkout": _Operation("A checkout: profile, order, bill total and balance"),
}


class _Variant(NamedTuple):
    """A database, and by how many seconds each of its round trips is made longer."""

    id: str
    label: str
    database: str
    far: float = 0.0


_VARIANTS: Final = (
    _Variant("sqlite", "SQLite", "sqlite"),
    _Variant("postgresql", "PostgreSQL", "postgresql"),
    _Variant("remote", f"PostgreSQL {_FAR * 1000:.0f} ms away", "postgresql", _FAR),
)


def rows(bench: Bench) -> Iterator[Row]:
    """Yield the operations on SQLite, on PostgreSQL, and on PostgreSQL with a delay in each round trip."""
    bench.say("writing the databases")
    with ExitStack() as stack:
        workers: dict[str, Worker | Unable] = {}
        for database in ("sqlite", "postgresql"):
            workers[database] = _started(bench, stack, database)
        for worker in workers.values():
            if isinstance(worker, Worker):
                worker.take()
        for variant in _VARIANTS:
            for name, operation in _OPERATIONS.items():
                bench.say(f"{operation.what}, {variant.label}")
                yield _row(bench, variant, name, operation, workers[variant.database])


def _started(bench: Bench, stack: ExitStack, database: str) -> Worker | Unable:
    """Return a worker that is preparing its database, or why there is none."""
    try:
        url = bench.place.database_copy("operations") if database == "sqlite" else bench.place.postgres_url
    except PostgresUnavailable as unavailable:
        return Unable(str(unavailable))
    # Each with keys of its own in Redis: they have rows of the same names.
    worker = stack.enter_context(Worker(bench.place, _WORKER, DATABASE_URL=url, CACHING_PREFIX=f"{database}:"))
    worker.put("prepared")
    return worker


def _row(bench: Bench, variant: _Variant, name: str, operation: _Operation, worker: Worker | Unable) -> Row:
    if isinstance(worker, Unable):
        samples: Answer = dict.fromkeys((OURS, FROM_REDIS, DATABASE), worker)
    else:
        rounds = bench.often(5, 1) if variant.far else bench.often(30, 1)
        samples = worker.ask("timed", name, variant.far, bench.often(50, 3), rounds)
    queries = samples.pop(QUERIES, None)
    return Row(
        id=f"operations.{variant.id}.{name}",
        what=f"{operation.what}, {variant.label}",
        samples=samples,
        targets=[] if operation.limit is None else [Target("limit", operation.limit)],
        note=_note(samples, queries, variant),
    )


def _note(samples: Answer, queries: Sample | Unable | None, variant: _Variant) -> str:
    """Return the improvement, and what the database had to do."""
    local, from_redis, database = samples[OURS], samples[FROM_REDIS], samples[DATABASE]
    if not (isinstance(database, Sample) and isinstance(queries, Sample)):
        return ""
    many = f"{queries.median:.0f} {'query' if queries.median == 1 else 'queries'}"
    away = f", each made {variant.far * 1000:.0f} ms longer, as if to another site" if variant.far else ""
    gains = [
        f"{database.median / hit.median:,.0f} times as fast from {where}"
        for hit, where in ((local, "local memory"), (from_redis, "Redis"))
        if isinstance(hit, Sample)
    ]
    return f"Uncached: {many}{away}. {', '.join(gains)}".strip()
