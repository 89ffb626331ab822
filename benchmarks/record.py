"""The record of a run, as `benchmarks/results/latest.json` holds it; docs/benchmarks.md documents the keys.

    schema      1; another number when a key changes its meaning
    run         date (ISO 8601, UTC), quick (true or false), seconds, machine (see `Machine`)
    sections    of each that was measured: name, title, seconds, error ("" or why it ended early)
    rows        of each, in the order of the table:
        id          stable, "<section>.<short name>"
        section     the name of its section
        what        what was done
        unit        of every figure: "s", "bytes", "requests/s", "x" (a ratio), or another word
        note        what a reader should know, or ""
        samples     {name: {median, p99, rounds}} or {name: {unable: why}}; ours is "fast-access"; rounds of the same
                    index were measured side by side
        targets     [{kind, bound, peer, reached, verdict}], as `Target` and `Outcome` say; reached is null, and
                    verdict "unable", where ours or the peer's figure is missing
    again       sections and rows, as above, of the sections that were measured a second time, for a target that is ok
                in the baseline was short; it counts as lost only if it is short here too

The file holds what the last run measured, and nothing of earlier ones: after `--section local` the rows of `local`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.machine import Machine
from benchmarks.results import Row, Sample, Target, Unable

__all__ = ["Part", "Record", "Run", "record_read", "record_write"]

_SCHEMA: Final = 1


class Run(msgspec.Struct, frozen=True):
    """When and where a run was, and how long it took."""

    date: str
    quick: bool
    seconds: float
    machine: Machine

    @property
    def kind(self) -> str:
        """ "quick" or "full": figures of one are never compared with those of the other."""
        return "quick" if self.quick else "full"


class Part(msgspec.Struct, frozen=True):
    """One section as it was measured; with an `error` the rows are those before it."""

    name: str
    title: str
    seconds: float
    rows: Sequence[Row]
    error: str = ""


class Record(msgspec.Struct, frozen=True):
    """One run with all it measured, and those sections `again` that it measured a second time."""

    run: Run
    parts: Sequence[Part]
    again: Sequence[Part] = ()

    @property
    def rows(self) -> list[Row]:
        return [row for part in self.parts for row in part.rows]


class _Measured(msgspec.Struct):
    sections: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []


class _Document(msgspec.Struct):
    schema: int
    run: Run
    sections: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    # Files of runs that measured everything once had no such key.
    again: _Measured = msgspec.field(default_factory=_Measured)


def record_write(path: Path, record: Record) -> None:
    """Write the file (the directory is made); an older one is replaced."""
    first, again = _measured(record.parts), _measured(record.again)
    document = _Document(_SCHEMA, record.run, first.sections, first.rows, again)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def record_read(path: Path) -> Record:
    """Return what `record_write` wrote; raises FileNotFoundError, and msgspec.ValidationError for another schema."""
    document = msgspec.json.decode(path.read_bytes(), type=_Document)
    if document.schema != _SCHEMA:
        raise msgspec.ValidationError(f"{path} has schema {document.schema}, not {_SCHEMA}")
    first = _Measured(document.sections, document.rows)
    return Record(document.run, _parts(first), _parts(document.again))


def _measured(parts: Sequence[Part]) -> _Measured:
    return _Measured(
        sections=[
            {"name": part.name, "title": part.title, "seconds": part.seconds, "error": part.error} for part in parts
        ],
        rows=[_row_document(part.name, row) for part in parts for row in part.rows],
    )


def _parts(measured: _Measured) -> tuple[Part, ...]:
    return tuple(
        Part(
            name=each["name"],
            title=each["title"],
            seconds=each["seconds"],
            rows=tuple(_row(row) for row in measured.rows if row["section"] == each["name"]),
            error=each["error"],
        )
        for each in measured.sections
    )


def _row_document(section: str, row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "section": section,
        "what": row.what,
        "unit": row.unit,
        "note": row.note,
        "samples": {name: _sample_document(sample) for name, sample in row.samples.items()},
        "targets": [
            {
                "kind": outcome.target.kind,
                "bound": outcome.target.bound,
                "peer": outcome.target.peer,
                "reached": outcome.reached,
                "verdict": outcome.verdict,
            }
            for outcome in row.outcomes()
        ],
    }


def _sample_document(sample: Sample | Unable) -> dict[str, Any]:
    if isinstance(sample, Unable):
        return {"unable": sample.why}
    return {"median": sample.median, "p99": sample.p99, "rounds": sample.rounds}


def _row(document: Mapping[str, Any]) -> Row:
    return Row(
        id=document["id"],
        what=document["what"],
        samples={
            name: Unable(each["unable"]) if "unable" in each else Sample(tuple(each["rounds"]))
            for name, each in document["samples"].items()
        },
        targets=tuple(msgspec.convert(each, Target) for each in document["targets"]),
        unit=document["unit"],
        note=document["note"],
    )
