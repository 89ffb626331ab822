"""The targets that the committed run reached, and which of them this run does not reach any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.machine import Machine
from benchmarks.record import Part, Record
from benchmarks.results import OURS, Outcome, Row, Unable, Verdict

__all__ = ["Comparison", "Kept", "KeptRun", "Lost", "Unmeasured", "baseline_compare", "baseline_read", "baseline_write"]


class Kept(msgspec.Struct, frozen=True):
    """How a target was met, `reached` with three digits that count."""

    verdict: Verdict
    reached: float | None


class KeptRun(msgspec.Struct, frozen=True):
    """A run to compare with: how many rows each section had, and its targets by "row id | kind | peer"."""

    date: str
    machine: Machine
    rows: dict[str, int]
    targets: dict[str, Kept]


class Lost(NamedTuple):
    """A target that the baseline met and this run does not, or not at first; `again` is how it was met the second time.

    `again` is None if the row was measured once only.
    """

    key: str
    before: Kept
    row: Row
    outcome: Outcome
    again: Outcome | None


class Unmeasured(NamedTuple):
    """A target that the baseline met and this run could not measure, and why."""

    key: str
    why: str


class Comparison(NamedTuple):
    """What became of the targets that were `ok`; those that still are do not appear.

    `lost` are those that were short as often as they were measured, `recovered` those that were `ok` the second time.
    """

    lost: list[Lost]
    recovered: list[Lost]
    unmeasured: list[Unmeasured]

    @property
    def lost_sections(self) -> set[str]:
        """The sections of those that are lost."""
        return {_section(lost.key) for lost in self.lost}


def baseline_read(path: Path) -> dict[str, KeptRun]:
    """Return the runs that are kept, by "quick" and "full"; none if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, KeptRun]) if path.exists() else {}


def baseline_write(path: Path, record: Record) -> None:
    """Keep this run in the place of the one of its kind; the other kind's stays.

    Of a target that was short at first and ok the second time it is the second that is kept.
    """
    outcomes = {key: outcome for key, (_, outcome) in _targets(record.parts).items()}
    for key, (_, again) in _targets(record.again).items():
        if again.verdict == "ok" and key in outcomes and outcomes[key].verdict == "short":
            outcomes[key] = again
    kept = KeptRun(
        date=record.run.date,
        machine=record.run.machine,
        rows={part.name: len(part.rows) for part in record.parts},
        targets={key: Kept(outcome.verdict, _rounded(outcome.reached)) for key, outcome in outcomes.items()},
    )
    runs = {**baseline_read(path), record.run.kind: kept}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(runs, order="sorted"), indent=2) + b"\n")


def baseline_compare(before: KeptRun, record: Record) -> Comparison:
    """Return what became of the targets that were `ok`, of the sections that this run measured."""
    today, second = _targets(record.parts), _targets(record.again)
    measured = {part.name for part in record.parts}
    found = Comparison([], [], [])
    for key, kept in before.targets.items():
        if kept.verdict != "ok" or _section(key) not in measured:
            continue
        if key not in today:
            found.unmeasured.append(Unmeasured(key, "this run has no such target"))
            continue
        row, outcome = today[key]
        if outcome.verdict == "short":
            again = second[key][1] if key in second else None
            recovered = again is not None and again.verdict == "ok"
            (found.recovered if recovered else found.lost).append(Lost(key, kept, row, outcome, again))
        elif outcome.verdict == "unable":
            found.unmeasured.append(Unmeasured(key, _why(row, outcome)))
    return found


def _targets(parts: Sequence[Part]) -> dict[str, tuple[Row, Outcome]]:
    return {
        " | ".join(filter(None, (row.id, outcome.target.kind, outcome.target.peer))): (row, outcome)
        for part in parts
        for row in part.rows
        for outcome in row.outcomes()
    }


def _section(key: str) -> str:
    return key.partition(".")[0]


def _why(row: Row, outcome: Outcome) -> str:
    for name in (OURS, outcome.target.peer):
        sample = row.samples.get(name)
        if isinstance(sample, Unable):
            return sample.why
    return "one of the two was not measured"


def _rounded(reached: float | None) -> float | None:
    return None if reached is None else float(f"{reached:.3g}")
