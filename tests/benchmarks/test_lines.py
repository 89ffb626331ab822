"""Which lines a row has, and what stands in them."""

from benchmarks.lines import Reasons, heading, row_lines
from benchmarks.results import OURS, Row, Sample, Target, Unable
from tests.benchmarks.records import NO_CASHEWS, hit, size


def lines(row):
    return {line.name: line for line in row_lines(row, Reasons())}


def test_everybody_has_a_line_with_his_ratio_and_ours_has_none():
    found = lines(hit(ours=1e-6, locmem=2e-5))

    assert list(found) == [OURS, "dictionary", "LocMemCache", "cashews mem"]
    assert (found[OURS].median, found[OURS].ratio) == ("1.00 us", "")
    assert (found["LocMemCache"].median, found["LocMemCache"].ratio) == ("20.0 us", "0.0500x")


def test_a_target_stands_beside_the_peer_it_names():
    found = lines(hit())

    assert found["dictionary"].targets == [("ok", "1.00x (at most 1.2x)")]
    assert found["LocMemCache"].targets == [("ok", "20.0x (at least 8x faster)")]
    assert found[OURS].targets == []


def test_a_limit_stands_beside_ours_in_the_rows_unit():
    assert lines(size())[OURS].targets == [("ok", "381 bytes (at most 400 bytes)")]


def test_a_peer_that_cannot_has_the_number_of_its_reason_and_no_figure():
    reasons = Reasons()
    found = {line.name: line for line in row_lines(hit(), reasons)}["cashews mem"]

    assert (found.median, found.p99, found.ratio) == ("", "", "")
    assert found.targets == [("unable", "(at least 8x faster)")]
    assert list(reasons) == [(found.why, NO_CASHEWS)]


def test_the_same_reason_is_told_once():
    reasons = Reasons()
    for why in ("no lists", "no coroutines", "no lists"):
        row_lines(Row("local.row", "A row", {"peer": Unable(why)}), reasons)

    assert list(reasons) == [(1, "no lists"), (2, "no coroutines")]


def test_a_target_whose_peer_nobody_measured_is_shown_all_the_same():
    row = Row("local.row", "A row", {OURS: Sample((1.0,))}, [Target("at most", 1, "forgotten")])

    assert lines(row)["forgotten"].targets == [("unable", "(at most 1x)")]


def test_of_one_round_there_is_no_99th_percentile():
    assert lines(size())[OURS].p99 == ""


def test_the_heading_says_the_unit_unless_the_figures_do():
    assert heading(size()) == "A balance, in bytes"
    assert heading(hit()) == "A business profile"
