"""Which rows become pictures; how they look is for eyes."""

from benchmarks.plots import Bars, Lines, pictures
from benchmarks.results import OURS, Row, Sample, Unable
from tests.benchmarks.records import hit, size


def grown(row_id, seconds, unit="s"):
    return Row(row_id, "Growing", {OURS: Sample((seconds,)), "dictionary": Sample((seconds / 2,))}, unit=unit)


def test_a_row_is_a_panel_of_those_who_could_do_it():
    (bars,) = pictures([hit()])

    assert isinstance(bars, Bars)
    assert (bars.name, bars.unit, bars.logarithmic) == ("local", "s", True)
    assert bars.panels == {"A business profile": {OURS: 1e-6, "dictionary": 1e-6, "LocMemCache": 2e-5}}


def test_each_section_has_its_picture_in_its_unit():
    assert [(bars.name, bars.unit) for bars in pictures([hit(), size()])] == [("local", "s"), ("memory", "bytes")]


def test_rows_of_another_unit_or_of_one_figure_are_left_out():
    trips = Row("redis.trips", "Round trips", {OURS: Sample((1.0,)), "redis-py": Sample((1.0,))}, unit="round trips")
    alone = Row("local.alone", "Alone", {OURS: Sample((1.0,)), "peer": Unable("It cannot.")})

    assert pictures([trips, alone]) == []


def test_rows_of_growing_work_are_points_of_a_line():
    rows = [
        grown("growth.entries-10", 1e-6),
        grown("growth.entries-1000", 2e-6),
        grown("growth.threads-latency-1", 3e-6),
    ]
    (lines,) = pictures(rows)

    assert isinstance(lines, Lines)
    assert list(lines.panels) == ["A local hit, by cached entries", "A local hit, by threads"]
    assert lines.panels["A local hit, by cached entries"].lines == {
        OURS: [(10, 1e-6), (1000, 2e-6)],
        "dictionary": [(10, 0.5e-6), (1000, 1e-6)],
    }


def test_a_panel_has_the_unit_of_its_rows():
    (lines,) = pictures([grown("growth.processes-1", 1000.0, "reads/s")])

    assert lines.panels["Hits a second, by processes"].unit == "reads/s"


def test_a_factor_is_no_point():
    assert pictures([grown("growth.entries-factor", 1.1, "x")]) == []


def test_without_rows_there_is_nothing_to_draw():
    assert pictures([]) == []
