"""What a replay showed, as figures, as a table and as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from restaurant.replay.gauge import Observation
from restaurant.replay.reads import HABITS, TARGETS
from restaurant.replay.services import ReplayResult


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """One row of the target table. Times are microseconds, None when there was none to take; rates 0.0 to 1.0.

    `queries_avoided` is, for each kind of read, the number of hits times the queries that a miss took on average.
    """

    group: str
    requests: int
    hits: int
    hit_rate: float
    target: float
    hit_p50_us: float | None
    hit_p99_us: float | None
    miss_p50_us: float | None
    miss_p99_us: float | None
    queries_avoided: int

    @property
    def meets_target(self) -> bool:
        return self.hit_rate >= self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The figures of a replay; it passes when every target is met, nothing was stale and every order is there."""

    result: ReplayResult
    with_redis: bool
    groups: tuple[GroupFigures, ...]

    @property
    def passes(self) -> bool:
        return not (self.result.stale or self.result.lost) and all(group.meets_target for group in self.groups)


def report_make(result: ReplayResult, *, with_redis: bool) -> Report:
    """Return the figures of each group of reads."""
    return Report(
        result=result,
        with_redis=with_redis,
        groups=tuple(
            _figures(group, target, [each for each in result.observations if each.group == group])
            for group, target in TARGETS.items()
        ),
    )


def report_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    result = report.result
    return {
        "organisation": result.org_id,
        "redis": report.with_redis,
        "orders": result.orders,
        "events": result.events,
        "seconds": round(result.seconds, 3),
        "reads_per_event": asdict(HABITS),
        "groups": [{**asdict(group), "meets_target": group.meets_target} for group in report.groups],
        "compared": len(result.compared),
        "undecided": len(result.undecided),
        "retried_writes": len(result.retried),
        "waited_for_database": len(result.waited),
        "lost_orders": len(result.lost),
        "stale": len(result.stale),
        "stale_reads": sorted(result.stale),
        "passes": report.passes,
    }


def report_table(report: Report) -> Table:
    """Return the target table."""
    table = Table(title=f"Reads of a day, {'with' if report.with_redis else 'without'} Redis")
    table.add_column("Region")
    for name in ("requests", "hit rate", "target", "hit p50", "hit p99", "miss p50", "miss p99", "queries avoided"):
        table.add_column(name, justify="right")
    for group in report.groups:
        table.add_row(
            group.group,
            f"{group.requests:,}",
            f"{group.hit_rate:.1%}",
            f"{group.target:.0%} {'met' if group.meets_target else 'MISSED'}",
            *map(_time, (group.hit_p50_us, group.hit_p99_us, group.miss_p50_us, group.miss_p99_us)),
            f"{group.queries_avoided:,}",
        )
    return table


def report_lines(report: Report) -> list[str]:
    """Return what stands below the table."""
    result = report.result
    lines = [
        f"{result.orders:,} orders, {result.events:,} events, {len(result.observations):,} reads "
        f"in {result.seconds:.1f} s, in the scratch organisation {result.org_id!r}.",
        *HABITS.describe(),
        f"Compared with the database: {len(result.compared):,} hits; stale: {len(result.stale):,}; "
        f"undecided for writes under way: {len(result.undecided):,}.",
    ]
    if result.retried:
        lines.append(f"Writes made again, for Redis was too slow to take their mark: {len(result.retried):,}.")
    if result.waited:
        lines.append(f"The database was away, and was asked again: {len(result.waited):,} times.")
    if result.lost:
        lines.append(f"Orders that are not there, or not as they were left: {len(result.lost):,}.")
    if result.stale:
        lines.append(f"Stale reads were of: {', '.join(sorted(set(result.stale)))}.")
    return lines


def _figures(group: str, target: float, observations: Sequence[Observation]) -> GroupFigures:
    hits = sorted(each.nanoseconds for each in observations if not each.queries)
    misses = sorted(each.nanoseconds for each in observations if each.queries)
    return GroupFigures(
        group=group,
        requests=len(observations),
        hits=len(hits),
        hit_rate=len(hits) / len(observations) if observations else 0.0,
        target=target,
        hit_p50_us=_quantile(hits, 0.50),
        hit_p99_us=_quantile(hits, 0.99),
        miss_p50_us=_quantile(misses, 0.50),
        miss_p99_us=_quantile(misses, 0.99),
        queries_avoided=_queries_avoided(observations),
    )


def _queries_avoided(observations: Sequence[Observation]) -> int:
    queries: dict[str, list[int]] = defaultdict(list)
    for each in observations:
        queries[each.name].append(each.queries)
    avoided = 0.0
    for taken in queries.values():
        misses = [count for count in taken if count]
        if misses:
            avoided += (len(taken) - len(misses)) * sum(misses) / len(misses)
    return round(avoided)


def _quantile(ordered: Sequence[int], share: float) -> float | None:
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


def _time(microseconds: float | None) -> str:
    if microseconds is None:
        return "-"
    return f"{microseconds:.1f} us" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms"
