"""What is in a picture: who has which bar or line, its figure, its colour, and how far the axes go."""

import sys
from importlib import import_module

import pytest

from benchmarks.plots import Bars, Lines, Panel
from benchmarks.results import OURS
from tests.benchmarks.drawing_stand_ins import Figure, modules

FROM_REDIS = f"{OURS}, from Redis"
HITS = Bars(
    "local",
    "A hit in local memory",
    "s",
    {
        "A profile": {OURS: 1e-6, FROM_REDIS: 1e-4, "LocMemCache": 2e-5},
        "A balance": {OURS: 2e-6, "LocMemCache": 1e-3},
    },
    logarithmic=True,
)
SIZES = Bars("memory", "Memory, in bytes", "bytes", {"A balance": {OURS: 381.0, "LocMemCache": 1200.0}}, False)
GROWTH = Lines(
    "growth",
    "Cost as work grows",
    {
        "By entries": Panel("s", {OURS: [(10, 1e-6), (100_000, 2e-6)], "dictionary": [(10, 5e-8), (100_000, 5e-7)]}),
        "By orders": Panel("s", {OURS: [(1, 1e-6), (1_000_000, 1.5e-6)]}),
        "By threads": Panel("requests/s", {"cold": [(1, 9.0)], OURS: [(1, 10.0)], "dictionary": [(1, 11.0)]}),
    },
)


@pytest.fixture
def styles(monkeypatch):
    """The styles that pictures were drawn in; matplotlib is the stand-in, even where the real one is installed."""
    styles = []
    for name, module in modules(styles).items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "benchmarks.drawing", raising=False)
    yield styles
    del sys.modules["benchmarks.drawing"]


@pytest.fixture
def drawn(styles):
    """Return a function that draws a picture and returns what is in it."""
    drawing = import_module("benchmarks.drawing")

    def of(picture):
        Figure.made.clear()
        svg = drawing.svg(picture)
        (figure,) = Figure.made
        figure.svg = svg
        return figure

    return of


def test_the_picture_has_its_title_its_panels_and_the_figures_in_their_unit(drawn):
    figure = drawn(HITS)

    assert figure.svg.decode().splitlines() == [
        f"<!-- {words} -->"
        for words in ("A hit in local memory", "A profile", "20.0 us", "100 us", "1.00 us", "A balance", "1.00 ms",
                      "2.00 us")
    ]  # fmt: skip


def test_a_picture_is_the_same_for_the_same_figures_and_has_no_spaces_at_the_ends_of_lines(drawn, styles):
    first, second = drawn(SIZES), drawn(SIZES)

    assert first.svg == second.svg
    assert not any(line.endswith(b" ") for line in first.svg.splitlines())
    assert first.svg.endswith(b"\n")
    # Neither the day nor chance is in it.
    assert first.metadata["Date"] is None
    assert styles[0]["svg.hashsalt"]
    # Nor the fonts of who looks at it.
    assert styles[0]["svg.fonttype"] == "path"


class TestBars:
    def test_the_first_is_on_top(self, drawn):
        profile, balance = drawn(HITS).panels

        assert [*reversed(profile.bars)] == [OURS, FROM_REDIS, "LocMemCache"]
        assert {name: bar.length for name, bar in balance.bars.items()} == {OURS: 2e-6, "LocMemCache": 1e-3}
        assert balance.labels == ["1.00 ms", "2.00 us"]

    def test_ours_are_told_from_peers_by_their_colour(self, drawn):
        profile, balance = drawn(HITS).panels

        assert len({bar.color for bar in profile.bars.values()}) == 3
        assert {name: bar.color for name, bar in balance.bars.items()} == {
            name: profile.bars[name].color for name in balance.bars
        }

    def test_panels_share_a_logarithmic_axis_on_which_all_bars_end(self, drawn):
        figure = drawn(HITS)

        assert figure.sharex
        axes = figure.panels[-1]
        assert axes.scales == {"x": "log"}
        assert axes.xlim[0] < 1e-6
        assert axes.xlim[1] > 1e-3
        assert axes.xaxis.tick_text(1e-5) == "10 us"
        assert axes.xaxis.minor == "none"

    def test_other_bars_begin_with_nothing_and_leave_room_for_their_figures(self, drawn):
        figure = drawn(SIZES)

        (axes,) = figure.panels
        assert not figure.sharex
        assert axes.scales == {}
        assert axes.xlim[0] == 0
        assert axes.xlim[1] > 1200
        assert axes.labels == ["1,200", "381"]
        assert axes.xaxis.tick_text(1000) == "1,000"


class TestLines:
    def test_each_panel_has_its_lines(self, drawn):
        figure = drawn(GROWTH)

        entries, orders, threads, fourth = figure.panels
        assert [axes.title for axes in (entries, orders, threads)] == ["By entries", "By orders", "By threads"]
        assert {name: line.points for name, line in entries.lines.items()} == {
            OURS: [(10, 1e-6), (100_000, 2e-6)],
            "dictionary": [(10, 5e-8), (100_000, 5e-7)],
        }
        assert [axes.is_removed for axes in figure.panels] == [False, False, False, True]
        assert not fourth.lines

    def test_lines_are_told_apart_without_colours_too_and_alike_in_all_panels(self, drawn):
        entries, _, threads, _ = drawn(GROWTH).panels

        for looks in ("color", "marker", "linestyle"):
            assert len({getattr(line, looks) for line in threads.lines.values()}) == 3, looks
            for name, line in entries.lines.items():
                assert getattr(line, looks) == getattr(threads.lines[name], looks), looks
        assert threads.lines[OURS].linewidth > threads.lines["cold"].linewidth

    def test_names_are_said_where_there_are_several(self, drawn):
        assert [axes.has_legend for axes in drawn(GROWTH).panels] == [True, False, True, False]

    def test_sizes_are_ticks_in_few_letters(self, drawn):
        entries, orders, _, _ = drawn(GROWTH).panels

        assert entries.xticks == {10: "10", 100_000: "100 k"}
        assert orders.xticks == {1: "1", 1_000_000: "1 M"}

    def test_noise_does_not_look_like_a_slope(self, drawn):
        entries, orders, _, _ = drawn(GROWTH).panels

        assert orders.scales == {"x": "log", "y": "log"}
        low, high = orders.ylim
        assert high / low >= 10
        # What does grow is on it as well.
        low, high = entries.ylim
        assert low < 5e-8
        assert high > 2e-6

    def test_ticks_have_the_unit_of_their_panel(self, drawn):
        entries, _, threads, _ = drawn(GROWTH).panels

        assert entries.yaxis.tick_text(1e-6) == "1 us"
        assert threads.yaxis.tick_text(10.0) == "10"

    def test_a_wide_axis_has_ticks_at_powers_of_ten_alone(self, drawn):
        wide = Lines("growth", "", {"By entries": Panel("s", {OURS: [(1, 1e-6), (10, 1e-2)]})})
        (axes,) = drawn(wide).panels
        narrow = drawn(GROWTH).panels[0]

        assert axes.yaxis.major.subs == (1,)
        assert narrow.yaxis.major.subs == (1, 2, 5)
