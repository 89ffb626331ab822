"""`python -m benchmarks`: measure the cache beside its peers; exit 1 if a target of the baseline is no longer met."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace
from rich.console import Console

from benchmarks.baseline import Comparison, KeptRun, baseline_compare, baseline_read, baseline_write
from benchmarks.documents import documents_write
from benchmarks.machine import machine_describe
from benchmarks.place import Place
from benchmarks.progress import Progress
from benchmarks.record import Part, Record, Run, record_read, record_write
from benchmarks.report import BAD, COLUMNS, comparison_print, exit_code, record_print
from benchmarks.run import Section, sections_measure
from benchmarks.sections import SECTIONS
from benchmarks.site import site_in

__all__ = ["Files", "main"]

_HERE: Final = Path(__file__).resolve().parent


class Files(NamedTuple):
    """Where a run leaves what it found."""

    latest: Path = _HERE / "results" / "latest.json"
    baseline: Path = _HERE / "baseline.json"
    documents: Path = _HERE.parent / "docs" / "benchmarks"


_FILES: Final = Files()
_MODULES: Final = {name: partial(import_module, f"benchmarks.sections.{name}") for name in SECTIONS}


def main(
    arguments: Sequence[str] | None = None,
    files: Files = _FILES,
    sections: Mapping[str, Callable[[], Section]] = _MODULES,
) -> int:
    """Measure, print and compare; returns the exit code."""
    given = _given(arguments, files)
    kept = baseline_read(files.baseline)
    if given.last:
        record = record_read(files.latest)
    else:
        chosen = {name: section for name, section in sections.items() if name in (given.section or sections)}
        record = _measured(chosen, given.quick, kept)
        record_write(files.latest, record)
    console = Console(highlight=False)
    # A file has no width, and a narrow terminal wraps lines by itself.
    console.width = max(console.width, COLUMNS) if console.is_terminal else COLUMNS
    record_print(record, console)
    before = kept.get(record.run.kind)
    found = baseline_compare(before, record) if before else Comparison([], [], [])
    if before:
        comparison_print(before, found, console)
    else:
        console.print(f"{files.baseline.name} has no {record.run.kind} run to compare with.")
    if not (given.update_baseline or given.write_docs):
        return exit_code(record, found)
    if [part.name for part in record.parts if not part.error] != list(sections):
        console.print("Nothing is kept of this run: a baseline and the documents are made of all sections.")
        return BAD
    if given.update_baseline:
        baseline_write(files.baseline, record)
    if given.write_docs:
        documents_write(files.documents, record)
    return 0


def _given(arguments: Sequence[str] | None, files: Files) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the cache beside its peers, in one run, and say which targets are reached.",
        epilog="Exits with 1 if a target that is ok in benchmarks/baseline.json is short now, and when measured again; "
        "2 if a section failed.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller sizes, for less than a minute")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="measure this one only (may be repeated)")
    parser.add_argument(
        "--last", action="store_true", help="measure nothing: show, compare or keep what the last run measured"
    )
    parser.add_argument("--update-baseline", action="store_true", help="make this run the one to compare with")
    parser.add_argument("--write-docs", action="store_true", help="write tables and plots into docs/benchmarks/")
    given = parser.parse_args(arguments)
    if given.section and (given.update_baseline or given.write_docs):
        parser.error("a baseline and the documents are made of all sections")
    if given.last and (given.section or given.quick):
        parser.error("--last takes the last run as it is")
    if given.last and not files.latest.exists():
        parser.error(f"there is no {files.latest}, which a run leaves behind")
    if given.write_docs and importlib.util.find_spec("matplotlib") is None:
        parser.error("the plots need matplotlib, which `make bench` installs")
    return given


def _measured(sections: Mapping[str, Callable[[], Section]], quick: bool, kept: Mapping[str, KeptRun]) -> Record:
    date, began = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    before = kept.get("quick" if quick else "full")
    again: list[Part] = []
    expected = {name: before.rows.get(name, 0) for name in sections} if before else {}
    # As Ctrl-C: whoever ends a run shall leave none of its servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Place() as place:
        machine = machine_describe(place)
        with site_in(place), Progress(Console(stderr=True, highlight=False), expected) as progress:
            parts = sections_measure(sections, place, quick=quick, progress=progress)
            record = Record(Run(date, quick, 0.0, machine), parts)
            doubtful = {name: sections[name] for name in _doubtful(before, record)}
            if doubtful:
                progress.print(f"Short, but ok in the baseline, so measured a second time: {', '.join(doubtful)}")
                place.redis_flush()
                again = sections_measure(doubtful, place, quick=quick, progress=progress)
    run = replace(record.run, seconds=round(time.monotonic() - began, 1))
    return replace(record, run=run, again=again)


def _doubtful(before: KeptRun | None, record: Record) -> list[str]:
    """Return the sections that lost a target, of a run in which nothing failed: who ended it does not want more."""
    if before is None or any(part.error for part in record.parts):
        return []
    lost = baseline_compare(before, record).lost_sections
    return [part.name for part in record.parts if part.name in lost]


if __name__ == "__main__":
    sys.exit(main())
