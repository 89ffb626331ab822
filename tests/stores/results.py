"""What came of the suite on one store, read from pytest's own record, and the table of them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.table import Table

from tests.stores.replays import Played

__all__ = ["Outcome", "outcome", "page_table", "table"]

_NONE = "-"
_OF_TESTS = ("Passed", "Failed", "Skipped", "Minutes")
_GROUPS = ("profile", "orders", "balance", "billing")
# In a group: the share of hits, and the median time of a hit / of a miss.
_OF_REPLAYS = ("Stale", *map(str.capitalize, _GROUPS), "Killed: orders there", "Killed: balances right")
_COUNTED = ("tests", "failures", "errors", "skipped")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The suite on one store. `trouble` says in a sentence why there is none to speak of."""

    store: str
    version: str = ""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    minutes: float = 0.0
    trouble: str = ""
    has_tests: bool = True
    played: Played | None = None
    interrupted: Played | None = None

    @property
    def good(self) -> bool:
        """Whether tests ran, and each of them passed: one that was skipped has shown nothing of this store.

        And whether the days that were played were true, and the undisturbed one met the targets.
        """
        if self.trouble or self.failed or self.skipped or (self.has_tests and not self.passed):
            return False
        if self.played is not None and not (self.played.is_true and self.played.meets_targets):
            return False
        return self.interrupted is None or self.interrupted.is_true


def outcome(store: str, version: str, record: Path, minutes: float, code: int) -> Outcome:
    """Return what pytest recorded (JUnit's XML) and how it ended; a run that broke off before its record has none."""
    if not record.exists():
        return Outcome(store, version, minutes=minutes, trouble=f"pytest ended with {code} before it had run anything.")
    counts = dict.fromkeys(_COUNTED, 0)
    for suite in ElementTree.parse(record).iter("testsuite"):  # noqa: S314 - written by our own pytest
        for name in _COUNTED:
            counts[name] += int(suite.get(name, "0"))
    failed = counts["failures"] + counts["errors"]
    return Outcome(
        store,
        version,
        passed=counts["tests"] - failed - counts["skipped"],
        failed=failed,
        skipped=counts["skipped"],
        minutes=minutes,
        # 1: some failed, which the counts say.
        trouble="" if code in (0, 1) else f"pytest ended with {code}.",
    )


def table(outcomes: Sequence[Outcome]) -> Table:
    """Draw one line for each store."""
    drawn = Table("Store", "Version")
    for column in (*_OF_TESTS, *_OF_REPLAYS):
        drawn.add_column(column, justify="right")
    drawn.add_column("")
    for each in outcomes:
        counts = (each.passed, each.failed, each.skipped, f"{each.minutes:.1f}") if each.has_tests else (_NONE,) * 4
        drawn.add_row(each.store, each.version, *map(str, counts), *_replays(each), each.trouble)
    return drawn


def page_table(outcomes: Sequence[Outcome], before: str = "", order: Sequence[str] = ()) -> str:
    """Return the table as Markdown, for the documents: of runs that are good, so without what went wrong.

    `before` is the table that stands there: its lines of other stores are kept, if it has the same columns. Stores
    stand in that order, others behind them.
    """
    headings = ("Store", "Version", "Tests passed", *_OF_REPLAYS)
    head = [_line(headings), f"|---|---|{'--:|' * (len(headings) - 2)}"]
    old = before.strip().splitlines()
    kept = old[2:] if old[:2] == head else []
    lines = {line.split("|")[1].strip(): line for line in kept}
    for each in outcomes:
        passed = f"{each.passed:,}" if each.has_tests else _NONE
        lines[each.store] = _line((each.store, each.version, passed, *_replays(each)))
    known = [store for store in order if store in lines]
    return "\n".join([*head, *(lines[store] for store in [*known, *(lines.keys() - set(known))])])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _replays(each: Outcome) -> Iterator[str]:
    days = [day for day in (each.played, each.interrupted) if day is not None]
    stale, compared = (sum(day.report[what] for day in days) for what in ("stale", "compared"))
    yield f"{stale} of {compared:,}" if days else _NONE
    yield from (_NONE if each.played is None else _group(each.played, group) for group in _GROUPS)
    if each.interrupted is None:
        yield from (_NONE, _NONE)
    else:
        report = each.interrupted.report
        for all_of_them, wrong in (("orders", "lost_orders"), ("customers", "unbalanced")):
            yield f"{report[all_of_them] - report[wrong]} of {report[all_of_them]}"


def _group(played: Played, group: str) -> str:
    hit, miss = (_time(played.of(group, what)) for what in ("hit_p50_us", "miss_p50_us"))
    return f"{played.of(group, 'hit_rate'):.1%}, {hit} / {miss}"


def _time(microseconds: float | None) -> str:
    if microseconds is None:
        return _NONE
    return f"{microseconds:.0f} us" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms"
