"""What pytest recorded of a store is counted right, and only a run in which every test passed is good."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.stores.replays import Played
from tests.stores.results import Outcome, outcome, page_table, table

_RECORD = '<testsuites><testsuite tests="{}" failures="{}" errors="{}" skipped="{}"/></testsuites>'


def _outcome(tmp_path: Path, *counts: int, code: int = 0) -> Outcome:
    record = tmp_path / "record.xml"
    record.write_text(_RECORD.format(*counts))
    return outcome("store", "1.0", record, 2.0, code)


def test_a_run_in_which_every_test_passed_is_good(tmp_path: Path) -> None:
    found = _outcome(tmp_path, 7, 0, 0, 0)
    assert (found.passed, found.failed, found.skipped, found.good) == (7, 0, 0, True)


@pytest.mark.parametrize(
    ("counts", "code"),
    [((7, 1, 0, 0), 1), ((7, 0, 1, 0), 1), ((7, 0, 0, 1), 0), ((0, 0, 0, 0), 0), ((7, 0, 0, 0), 3)],
    ids=["one failed", "one had an error", "one was skipped", "none ran", "pytest broke off"],
)
def test_any_other_run_is_not(tmp_path: Path, counts: tuple[int, ...], code: int) -> None:
    assert not _outcome(tmp_path, *counts, code=code).good


def test_failures_and_errors_both_count_as_failed(tmp_path: Path) -> None:
    found = _outcome(tmp_path, 9, 1, 2, 3, code=1)
    assert (found.passed, found.failed, found.skipped, found.trouble) == (3, 3, 3, "")


def test_a_run_that_recorded_nothing_says_so(tmp_path: Path) -> None:
    found = outcome("store", "1.0", tmp_path / "missing.xml", 0.1, 4)
    assert not found.good
    assert "ended with 4" in found.trouble


def test_the_table_has_a_line_for_each_store() -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table([Outcome("one", "1.0", passed=12, minutes=1.25), Outcome("two", trouble="It is away.")]))
    lines = [line for line in captured.get().splitlines() if "one" in line or "two" in line]
    assert [line.replace("│", " ").split() for line in lines] == [
        ["one", "1.0", "12", "0", "0", "1.2", *"-------"],
        ["two", "0", "0", "0", "0.0", *"-------", "It", "is", "away."],
    ]


def _day(*, hit_rate: float = 0.95, **found: int) -> Played:
    figures = {"hit_rate": hit_rate, "meets_target": hit_rate > 0.9, "hit_p50_us": 2.8, "miss_p50_us": 5200.0}
    groups = [{"group": name, **figures} for name in ("profile", "orders", "balance", "billing")]
    counted = {"stale": 0, "compared": 600, "lost_orders": 0, "unbalanced": 0, "orders": 39, "customers": 9}
    return Played({"groups": groups, **counted, **found})


@pytest.mark.parametrize("found", [{"stale": 1}, {"lost_orders": 1}, {"unbalanced": 1}])
def test_a_day_that_was_not_true_is_not_good(found: dict[str, int]) -> None:
    assert Outcome("store", passed=1, played=_day(), interrupted=_day()).good
    assert not Outcome("store", passed=1, played=_day(**found)).good
    assert not Outcome("store", passed=1, played=_day(), interrupted=_day(**found)).good


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_targets_are_those_of_the_day_that_nobody_disturbed() -> None:
    slow = _day(hit_rate=0.5)
    assert Outcome("store", passed=1, played=_day(), interrupted=slow).good
    assert not Outcome("store", passed=1, played=slow).good


def test_where_no_tests_are_wanted_none_are_missed() -> None:
    assert Outcome("store", has_tests=False, played=_day()).good
    assert not Outcome("store", has_tests=False, trouble="It is away.").good


def test_the_page_has_what_was_played() -> None:
    whole = Outcome("one", "1.0", passed=4321, played=_day(), interrupted=_day(lost_orders=1, stale=2))
    headings, _, row = page_table([whole]).splitlines()
    assert _cells(headings)[2:6] == ["Tests passed", "Stale", "Profile", "Orders"]
    assert _cells(row) == [
        *("one", "1.0", "4,321", "2 of 1,200"),
        *("95.0%, 3 us / 5.2 ms",) * 4,
        *("38 of 39", "9 of 9"),
    ]
    assert len(_cells(headings)) == len(_cells(row))


def test_other_stores_keep_their_lines_and_all_stand_in_order() -> None:
    two = Outcome("two", "2.0", passed=2, played=_day())
    before = page_table([two, Outcome("one", "1.0", passed=1, played=_day())])

    after = page_table([Outcome("one", "1.1", passed=3, played=_day())], f"\n{before}\n", ["one", "two"])

    assert [_cells(line)[:3] for line in after.splitlines()[2:]] == [["one", "1.1", "3"], ["two", "2.0", "2"]]


def test_lines_of_a_table_with_other_columns_are_not_kept() -> None:
    assert len(page_table([Outcome("one")], "| Store | Tests |\n|---|--:|\n| two | 5 |").splitlines()) == 3


def test_a_server_that_nobody_could_kill_leaves_its_columns_empty() -> None:
    *_, row = page_table([Outcome("one", "1.0", has_tests=False, played=_day())]).splitlines()
    assert _cells(row)[2:4] == ["-", "0 of 600"]
    assert _cells(row)[-2:] == ["-", "-"]
