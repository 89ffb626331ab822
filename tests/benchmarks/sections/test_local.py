"""Every row of local memory is measured, and what is not installed is missed."""

import pytest

from benchmarks.results import OURS, Sample, Unable
from benchmarks.sections import local


@pytest.mark.parametrize("quick", [True, False])
def test_all_rows_are_hits_in_local_memory(restaurant, tiny_bench, quick):
    tiny_bench.quick = quick
    rows = {row.id: row for row in local.rows(tiny_bench)}

    assert list(rows) == [
        f"local.{each}" for each in ("profile", "active", "order", "bill", "balance", "statistics", "async")
    ]
    # They would not be measured otherwise.
    assert {name: type(row.samples[OURS]) for name, row in rows.items()} == dict.fromkeys(rows, Sample)
    assert all(target.peer in row.samples for row in rows.values() for target in row.targets)
    samples = rows["local.profile"].samples
    assert {name for name, sample in samples.items() if isinstance(sample, Unable)} == {
        "dogpile memory", "cashews mem", *(() if quick else ("cachalot on LocMemCache",)),
    }  # fmt: skip
