"""Costs are measured for ever more of everything, and how much they grow."""

from benchmarks.results import OURS, Sample, Unable
from benchmarks.sections import growth as section
from benchmarks.workers.growth import DICTIONARY


def test_all_rows_are_measured(restaurant, tiny_bench, workers_in_process, monkeypatch):
    monkeypatch.setattr(section, "_QUICK_SIZES", (10,))
    started = workers_in_process(section)
    tiny_bench.place.database_copy = "sqlite:///{}".format

    rows = {row.id: row for row in section.rows(tiny_bench)}

    assert list(rows) == [
        "growth.entries-10", "growth.entries-factor", "growth.orders-1", "growth.orders-10", "growth.orders-100",
        "growth.threads-1", "growth.threads-latency-1", "growth.threads-8", "growth.threads-latency-8",
        "growth.threads-64", "growth.threads-latency-64", "growth.processes-1", "growth.processes-latency-1",
        "growth.processes-4", "growth.processes-latency-4",
    ]  # fmt: skip
    assert {name: type(row.samples[OURS]) for name, row in rows.items()} == dict.fromkeys(rows, Sample)
    # With one size only nothing has grown.
    assert rows["growth.entries-factor"].samples == {OURS: Sample((1.0,)), DICTIONARY: Sample((1.0,))}
    assert [outcome.verdict for outcome in rows["growth.entries-factor"].outcomes()] == ["ok"]
    # Entries without Redis, and the rest in a database of its own.
    assert [(environment.get("REDIS_URL"), environment.get("DATABASE_URL")) for _, environment in started] == [
        (None, "sqlite:///growth"), ("", None)
    ]  # fmt: skip
    assert len({environment["CACHING_PREFIX"] for _, environment in started}) == 2


def test_growth_is_a_factor_for_each_round():
    small = {OURS: Sample((1.0, 2.0)), DICTIONARY: Sample((1.0, 1.0))}
    large = {OURS: Sample((3.0, 8.0)), DICTIONARY: Sample((2.0, 4.0))}

    assert section.factor(small, large) == {OURS: Sample((3.0, 4.0)), DICTIONARY: Sample((2.0, 4.0))}


def test_what_could_not_be_measured_has_no_factor():
    able, unable = {OURS: Sample((1.0,))}, {OURS: Unable("It forgot.")}

    assert section.factor(able, unable) == section.factor(unable, able) == unable


def test_rounds_of_all_answers_are_joined():
    answers = [{OURS: Sample((1.0, 2.0))}, {OURS: Sample((3.0,))}]

    assert section._joined(answers, OURS) == Sample((1.0, 2.0, 3.0))
    assert section._joined([*answers, {OURS: Unable("It stopped.")}], OURS) == Unable("It stopped.")
