"""Which targets count as lost since the baseline, and which only could not be measured."""

import json

import pytest
from msgspec.structs import replace

from benchmarks.baseline import Kept, baseline_compare, baseline_read, baseline_write
from benchmarks.results import OURS, Unable
from tests.benchmarks.records import NO_CASHEWS, hit, local, memory, record, size


@pytest.fixture
def path(tmp_path):
    return tmp_path / "baseline.json"


def compared(path, before, now):
    baseline_write(path, before)
    return baseline_compare(baseline_read(path)[before.run.kind], now)


def test_without_a_file_there_is_no_baseline(path):
    assert baseline_read(path) == {}


def test_the_same_figures_lose_nothing(path):
    found = compared(path, record(local(hit()), memory(size())), record(local(hit()), memory(size())))

    assert found == ([], [], [])


def test_a_target_that_was_ok_and_is_short_is_lost(path):
    found = compared(path, record(local(hit(ours=1e-6))), record(local(hit(ours=1.5e-6))))

    (lost,) = found.lost
    assert lost.key == "local.profile | at most | dictionary"
    assert (lost.before.reached, lost.outcome.reached) == (1.0, 1.5)


def test_a_target_that_is_ok_when_measured_again_is_not_lost(path):
    now = record(local(hit(ours=1.5e-6)), again=[local(hit(ours=1.1e-6))])
    found = compared(path, record(local(hit())), now)

    assert found.lost == []
    (recovered,) = found.recovered
    assert recovered.key == "local.profile | at most | dictionary"
    assert (recovered.outcome.reached, recovered.again.reached) == (1.5, pytest.approx(1.1))


def test_a_target_that_is_short_both_times_is_lost(path):
    now = record(local(hit(ours=1.5e-6)), again=[local(hit(ours=1.4e-6))])
    found = compared(path, record(local(hit())), now)

    assert found.recovered == []
    (lost,) = found.lost
    assert (lost.outcome.reached, lost.again.reached) == (1.5, pytest.approx(1.4))


def test_a_target_that_is_short_the_second_time_only_is_not_lost(path):
    found = compared(path, record(local(hit())), record(local(hit()), again=[local(hit(ours=1.5e-6))]))

    assert found == ([], [], [])


def test_a_second_time_without_a_figure_saves_nothing(path):
    unable = replace(hit(), samples={**hit().samples, OURS: Unable("It would not start.")})
    for again in (local(unable), local(error="ValueError: no luck")):
        found = compared(path, record(local(hit())), record(local(hit(ours=1.5e-6)), again=[again]))

        assert (len(found.lost), found.recovered) == (1, [])


def test_the_sections_of_lost_targets_are_named(path):
    before = record(local(hit()), memory(size()))

    assert compared(path, before, record(local(hit()), memory(size(401)))).lost_sections == {"memory"}
    assert compared(path, before, before).lost_sections == set()


def test_what_was_ok_the_second_time_is_kept_as_that(path):
    again = [memory(size(399)), local(hit(ours=1.4e-6))]
    baseline_write(path, record(local(hit(ours=1.5e-6)), memory(size(401)), again=again))

    targets = baseline_read(path)["quick"].targets
    assert targets["memory.balance | limit"] == Kept("ok", 399)
    assert targets["local.profile | at most | dictionary"] == Kept("short", 1.5)


def test_a_target_that_was_short_before_is_not_lost(path):
    assert compared(path, record(local(hit(ours=1.5e-6))), record(local(hit(ours=1.6e-6)))).lost == []


def test_a_limit_is_compared_too(path):
    (lost,) = compared(path, record(memory(size(381))), record(memory(size(401)))).lost

    assert lost.key == "memory.balance | limit"


def test_a_worse_figure_that_still_reaches_the_target_is_not_lost(path):
    assert compared(path, record(memory(size(100))), record(memory(size(399)))).lost == []


@pytest.mark.parametrize("name", [OURS, "LocMemCache"])
def test_what_cannot_be_measured_here_is_listed_with_its_reason_and_not_lost(path, name):
    row = hit()
    gone = type(row)(row.id, row.what, {**row.samples, name: Unable("It would not start.")}, row.targets)
    found = compared(path, record(local(row)), record(local(gone)))

    assert found.lost == []
    assert ("local.profile | faster | LocMemCache", "It would not start.") in found.unmeasured


def test_what_could_not_be_measured_in_the_baseline_is_not_looked_for(path):
    found = compared(path, record(local(hit())), record(local(hit())))

    assert NO_CASHEWS not in {each.why for each in found.unmeasured}


def test_a_target_that_is_no_more_is_listed(path):
    (gone,) = compared(path, record(memory(size())), record(memory())).unmeasured

    assert gone == ("memory.balance | limit", "this run has no such target")


def test_only_sections_that_were_measured_are_compared(path):
    assert compared(path, record(local(hit()), memory(size())), record(local(hit()))) == ([], [], [])


def test_a_quick_run_leaves_the_full_ones_figures_alone(path):
    baseline_write(path, record(memory(size(300)), quick=False))
    baseline_write(path, record(memory(size(390)), quick=True))

    kept = {kind: run.targets["memory.balance | limit"].reached for kind, run in baseline_read(path).items()}
    assert kept == {"full": 300, "quick": 390}


def test_the_file_says_when_and_on_what(path):
    baseline_write(path, record(memory(size(381.4))))

    kept = json.loads(path.read_text())["quick"]
    assert kept["date"] == "2026-01-02T03:04:05+00:00"
    assert (kept["machine"]["cpu"], kept["machine"]["redis_server"]) == ("Analytical Engine", "Valkey 9.1.2")
    assert kept["rows"] == {"memory": 1}
    assert kept["targets"] == {"memory.balance | limit": {"verdict": "ok", "reached": 381}}
