"""Medians, ratios of rounds that were measured side by side, and verdicts."""

import pytest

from benchmarks.results import OURS, Row, Sample, Target, Unable


def row(ours, theirs, *targets, unit="s"):
    samples = {name: Sample(tuple(each)) for name, each in ((OURS, ours), ("peer", theirs)) if each}
    return Row("local.row", "A row", samples, targets, unit)


def verdict(target, ours=(2.0,), theirs=(4.0,)):
    (outcome,) = row(ours, theirs, target).outcomes()
    return outcome.verdict, outcome.reached


def test_the_median_is_not_moved_by_an_outlier():
    assert Sample((1.0, 2.0, 900.0)).median == 2.0


def test_the_99th_percentile_leaves_out_one_round_in_a_hundred():
    hundred = (*[1.0] * 98, 5.0, 7.0)

    assert Sample(hundred).p99 == 7.0
    assert Sample((*hundred, *[1.0] * 100)).p99 == 5.0


def test_of_few_rounds_the_99th_percentile_is_the_largest():
    assert Sample((3.0, 1.0, 2.0)).p99 == 3.0


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    # The medians' own ratio is 1: the busy round in the middle hit both.
    assert row((1.0, 10.0, 3.0), (2.0, 20.0, 3.0)).ratio("peer") == 0.5


def test_the_ratio_of_unequal_numbers_of_rounds_is_that_of_the_medians():
    assert row((1.0, 2.0, 3.0), (8.0,)).ratio("peer") == 0.25


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("at most", 0.5, "peer"), ("ok", 0.5)),
        (Target("at most", 0.49, "peer"), ("short", 0.5)),
        (Target("at least", 0.5, "peer"), ("ok", 0.5)),
        (Target("at least", 0.51, "peer"), ("short", 0.5)),
        (Target("faster", 2, "peer"), ("ok", 2.0)),
        (Target("faster", 2.1, "peer"), ("short", 2.0)),
        (Target("limit", 2), ("ok", 2.0)),
        (Target("limit", 1.9), ("short", 2.0)),
    ],
)
def test_a_target_is_met_at_its_bound_and_not_beyond(target, expected):
    assert verdict(target) == expected


@pytest.mark.parametrize("kind", ["at most", "at least", "faster"])
def test_a_target_without_the_peers_figure_is_neither_met_nor_missed(kind):
    assert verdict(Target(kind, 1, "peer"), theirs=()) == ("unable", None)
    assert verdict(Target(kind, 1, "peer"), ours=()) == ("unable", None)


def test_a_limit_without_our_figure_is_neither_met_nor_missed():
    assert verdict(Target("limit", 1), ours=()) == ("unable", None)


def test_a_peer_that_cannot_has_no_ratio():
    unable = Row("local.row", "A row", {OURS: Sample((1.0,)), "peer": Unable("It has no lists.")})

    assert unable.ratio("peer") is None


def test_a_peer_that_did_nothing_in_a_round_is_no_measure() -> None:
    row = Row("a.b", "work", {OURS: Sample((4.0, 4.0)), "peer": Sample((0.0, 2.0))}, [Target("at least", 1.0, "peer")])

    assert row.ratio("peer") is None
    assert [outcome.verdict for outcome in row.outcomes()] == ["unable"]
