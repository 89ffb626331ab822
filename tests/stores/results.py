"""What came of the suite on one store, read from pytest's own record, and the table of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.table import Table

__all__ = ["Outcome", "outcome", "table"]

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

    @property
    def good(self) -> bool:
        """Whether tests ran, and each of them passed: one that was skipped has shown nothing of this store."""
        return self.passed > 0 and not (self.failed or self.skipped or self.trouble)


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
    drawn = Table("store", "version")
    for column in ("passed", "failed", "skipped", "minutes"):
        drawn.add_column(column, justify="right")
    drawn.add_column("")
    for each in outcomes:
        counts = (str(each.passed), str(each.failed), str(each.skipped), f"{each.minutes:.1f}")
        drawn.add_row(each.store, each.version, *counts, each.trouble)
    return drawn
