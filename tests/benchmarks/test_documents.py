"""The page of figures."""

import pytest

from benchmarks.documents import figures_page
from benchmarks.results import Row, Unable
from tests.benchmarks.records import NO_CASHEWS, hit, local, memory, record, size


@pytest.fixture
def page():
    return figures_page(record(local(hit(ours=1.5e-6)), memory(size())))


def test_a_section_is_a_table(page):
    lines = page.splitlines()
    at = lines.index("## A hit in local memory")

    assert lines[at + 2].startswith("| what | who | median | p99 | ratio | target |")
    assert lines[at + 4].startswith("| **A business profile** | fast-access | 1.50 us |")
    assert lines[at + 5] == "|  | dictionary | 1.00 us | 1.00 us | 1.50x | **short** 1.50x (at most 1.2x) |"
    assert all(line.count("|") == 7 for line in lines if line.startswith("|"))


def test_reasons_are_told_below(page):
    assert "| cashews mem | unable (1) |" in page
    assert f"\n1. {NO_CASHEWS.replace('`', chr(92) + '`')}\n" in page


def test_a_note_that_rows_share_is_told_once():
    rows = [Row(f"local.{what}", what, {}, note="The same object.") for what in ("One", "Two")]

    assert "\n- *One; Two*: The same object.\n" in figures_page(record(local(*rows)))


def test_pictures_come_first(page):
    assert page.index("![A hit in local memory](local.svg)") < page.index("## A hit in local memory")


def test_the_page_says_which_run_it_is_of(page):
    assert "quick run of 2026-01-02T03:04:05+00:00" in page
    assert "Analytical Engine, 2 cores" in page


def test_what_markdown_would_take_for_its_own_is_escaped():
    row = Row("local.row", "get_profile | *all*", {"peer": Unable("a|b\nc")}, note="<b>")
    page = figures_page(record(local(row)))

    assert r"| **get\_profile \| \*all\*** | peer |" in page
    assert r"1. a\|b c" in page
    assert "&lt;b>" in page
