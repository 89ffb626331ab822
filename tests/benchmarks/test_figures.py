"""How figures are written."""

import pytest

from benchmarks.figures import bound_text, cell_text, figure_text, ratio_text, tick_text
from benchmarks.results import Target


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234e-6, "s", "1.23 us"),
        (0.0000123, "s", "12.3 us"),
        (0.000999, "s", "999 us"),
        (0.001, "s", "1.00 ms"),
        (71.6e-9, "s", "71.6 ns"),
        (90.0, "s", "90.0 s"),
        (0.0, "s", "0 ns"),
        (-2e-9, "s", "-2.00 ns"),
        (1_234_567, "bytes", "1,234,567 bytes"),
        (2150.4, "requests/s", "2,150 requests/s"),
        (12.34, "x", "12.3x"),
        (2.0, "round trips", "2 round trips"),
        (2.5, "round trips", "2.50 round trips"),
    ],
)
def test_a_figure_is_scaled_to_three_digits_that_count(value, unit, text):
    assert figure_text(value, unit) == text


def test_a_cell_leaves_out_the_unit_that_its_heading_says():
    assert cell_text(1_234_567, "bytes") == "1,234,567"
    assert cell_text(1e-6, "s") == "1.00 us"
    assert cell_text(2.0, "x") == "2.00x"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.8741, "0.874x"),
        (0.104, "0.104x"),
        (0.0123, "0.0123x"),
        (0.00123, "0.0012x"),
        (4.3e-5, "0.000043x"),
        (1.0, "1.00x"),
        (2150.0, "2,150x"),
        (0.0, "0x"),
    ],
)
def test_a_ratio_has_three_digits_or_two_of_what_is_very_small(ratio, text):
    assert ratio_text(ratio) == text


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target("at most", 1.2, "peer"), "at most 1.2x"),
        (Target("at least", 0.7, "peer"), "at least 0.7x"),
        (Target("faster", 2000, "peer"), "at least 2,000x faster"),
        (Target("limit", 20e-6), "at most 20.0 us"),
    ],
)
def test_a_target_says_what_it_asks_for(target, text):
    assert bound_text(target, "s") == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (10.0**-7, "s", "100 ns"),
        (0.99999999999e-6, "s", "1 us"),
        (2e-3, "s", "2 ms"),
        (1200, "bytes", "1,200"),
        (0.5, "x", "0.5x"),
    ],
)
def test_a_tick_is_a_round_figure(value, unit, text):
    assert tick_text(value, unit) == text
