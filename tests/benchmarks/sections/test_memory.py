"""Every cache of every row of memory is measured in a fresh process, without Redis."""

import sys

import pytest

from benchmarks.results import OURS, Sample, Unable
from benchmarks.sections import memory as section
from benchmarks.workers import memory as worker
from benchmarks.workers.memory import CASHEWS, DICTIONARY, DOGPILE, LOCMEM
from tests.benchmarks.memory_stand_ins import Growing

PEERS = {True: (OURS, LOCMEM), False: (OURS, LOCMEM, DOGPILE, CASHEWS, DICTIONARY)}


@pytest.mark.parametrize("quick", [True, False])
def test_all_rows_are_measured(restaurant, tiny_bench, workers_in_process, monkeypatch, quick):
    monkeypatch.setattr(worker, "_BATCH", 2)
    # The sizes that the targets name are for processes of their own.
    monkeypatch.setattr(section, "_LITE", 1)
    monkeypatch.setattr(section, "_BALANCES", 1)
    monkeypatch.setattr("benchmarks.world.ACTIVE", 2)
    monkeypatch.setattr(worker, "import_module", lambda name: Growing(name, 300))
    for package in ("dogpile", "dogpile.cache", "cashews"):
        monkeypatch.setitem(sys.modules, package, None)
    tiny_bench.quick = quick
    tiny_bench.place.database_copy = "sqlite:///{}".format
    started = workers_in_process(section)

    rows = {row.id: row for row in section.rows(tiny_bench)}

    assert list(rows) == ["memory.lite", "memory.balances", "memory.active"]
    for row in rows.values():
        assert tuple(row.samples) == PEERS[quick]
        assert row.samples[OURS] == row.samples[LOCMEM] == Sample((300.0,))
        assert row.unit == "bytes"
    assert {name for row in rows.values() for name, each in row.samples.items() if isinstance(each, Unable)} == (
        set() if quick else {DOGPILE, CASHEWS}
    )
    # One that writes, and one for each cache of each row.
    assert len(started) == 1 + len(rows) * len(PEERS[quick])
    assert {(environment["DATABASE_URL"], environment["REDIS_URL"]) for _, environment in started} == {
        ("sqlite:///memory", "")
    }
