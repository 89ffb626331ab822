"""What a run looks like on screen and in a file, and the exit code."""

import io

import msgspec
import pytest
from rich.console import Console

from benchmarks.baseline import Comparison, Unmeasured, baseline_compare, baseline_read, baseline_write
from benchmarks.record import Part
from benchmarks.report import COLUMNS, comparison_print, exit_code, record_print
from benchmarks.results import OURS, Row, Unable
from tests.benchmarks.records import MACHINE, NO_CASHEWS, hit, local, memory, record, size

NOTHING = Comparison([], [], [])


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=COLUMNS, highlight=False)


def printed(console, whole):
    record_print(whole, console)
    return console.file.getvalue()


def line_of(text, start):
    (line,) = [line for line in text.splitlines() if line.strip().startswith(start)]
    return " ".join(line.split())


def test_a_line_has_median_p99_ratio_and_the_target_with_its_verdict_in_words(console):
    text = printed(console, record(local(hit(ours=1.5e-6))))

    assert line_of(text, "dictionary") == "dictionary 1.00 us 1.00 us 1.50x short 1.50x (at most 1.2x)"
    assert line_of(text, "LocMemCache") == "LocMemCache 20.0 us 20.0 us 0.0750x ok 13.3x (at least 8x faster)"


def test_a_section_has_its_title_and_a_row_its_id_and_note(console):
    text = printed(console, record(local(hit())))

    assert "A hit in local memory ──" in text
    assert line_of(text, "A business profile") == "A business profile local.profile"
    assert line_of(text, "The same") == "The same object."


def test_a_note_that_all_rows_of_a_section_share_is_said_once(console):
    other = Row("local.other", "Another row", {}, note=hit().note)

    assert printed(console, record(local(hit(), other))).count("The same object.") == 1


def test_a_reason_is_a_footnote_in_full_however_long(console):
    why = "It cannot, " + "and this goes on and on, " * 20 + "at last."
    text = printed(console, record(local(Row("local.row", "A row", {"peer": Unable(why)}))))

    assert line_of(text, "peer") == "peer unable [1]"
    assert f"[1] {why}" in " ".join(text.split())


def test_nothing_is_wider_than_a_hundred_columns(console):
    long = Row("local.row", "What was done " * 20, {"a peer with a name " * 5: Unable("why " * 50)}, note="note " * 50)

    assert max(map(len, printed(console, record(local(hit(), long), memory(size()))).splitlines())) <= COLUMNS


def test_figures_of_any_size_stay_on_their_line(console):
    text = printed(console, record(local(hit(locmem=0.0301)), memory(size(ours=104_857_600.0))))

    assert "30.1 ms     30.1 ms  0.000033x ok 30,100x (at least 8x faster)" in text
    assert " 104,857,600 " in text


def test_a_section_that_ended_early_keeps_its_rows_and_says_why(console):
    text = printed(console, record(local(hit(), error="ValueError: [bold]no luck")))

    assert line_of(text, OURS)
    assert "local ended early: ValueError: [bold]no luck" in text


def test_it_says_that_the_machine_was_busy_when_it_was(console):
    whole = record(local(hit()))
    busy = msgspec.structs.replace(whole.run, machine=msgspec.structs.replace(MACHINE, load=2.1))

    assert "other work was under way" not in printed(console, whole)
    assert "2 cores, load 2.1 (other work was under way)" in printed(console, msgspec.structs.replace(whole, run=busy))


def test_the_sums_come_last(console):
    text = printed(console, record(local(hit(ours=1.5e-6)), memory(size())))

    assert "2 rows, 4 targets: 2 ok 1 short 1 unable; 12 s (local 2 s, memory 2 s)" in text


def test_what_was_lost_is_said_with_both_figures(console, tmp_path):
    before, now = record(local(hit())), record(local(hit(ours=1.5e-6)))
    baseline_write(tmp_path / "baseline.json", before)
    kept = baseline_read(tmp_path / "baseline.json")["quick"]
    comparison_print(kept, baseline_compare(kept, now), console)

    text = " ".join(console.file.getvalue().split())
    assert "local.profile | at most | dictionary: 1.50x, was 1.00x (at most 1.2x)" in text
    assert "Baseline of 2026-01-02T03:04:05+00:00: Analytical Engine" in text
    assert "Nothing that was ok" not in text


@pytest.fixture
def twice(console, tmp_path):
    """Return a function that gives exit code and lines of a run whose hit took so many seconds, then so many."""

    def of(first, second):
        baseline_write(tmp_path / "baseline.json", record(local(hit())))
        kept = baseline_read(tmp_path / "baseline.json")["quick"]
        now = record(local(hit(ours=first)), again=[local(hit(ours=second))])
        found = baseline_compare(kept, now)
        record_print(now, console)
        comparison_print(kept, found, console)
        return exit_code(now, found), " ".join(console.file.getvalue().split())

    return of


def test_a_second_time_that_is_ok_is_said_with_the_figures_of_both(twice):
    code, text = twice(1.5e-6, 1.1e-6)

    assert "Measured a second time, below its targets at first: local 2 s" in text
    assert (
        "short, then ok (ok in the baseline): local.profile | at most | dictionary: 1.50x, then 1.10x, was 1.00x"
        in text
    )
    assert "Nothing that was ok in the baseline is lost now." in text
    assert code == 0


def test_a_second_time_that_is_short_too_is_a_loss_with_the_figures_of_both(twice):
    code, text = twice(1.5e-6, 1.4e-6)

    assert (
        "short, then short (ok in the baseline): local.profile | at most | dictionary: 1.50x, then 1.40x, was 1.00x"
        in text
    )
    assert "Nothing that was ok" not in text
    assert code == 1


def test_a_section_that_fails_the_second_time_has_failed(console):
    whole = record(local(hit()), again=[local(error="ValueError: no luck")])

    assert "local ended early: ValueError: no luck" in printed(console, whole)
    assert exit_code(whole, NOTHING) == 2


def test_what_was_measured_once_is_not_said_to_be_measured_again(console):
    assert "second time" not in printed(console, record(local(hit())))


def test_what_was_not_measured_is_no_loss(console, tmp_path):
    baseline_write(tmp_path / "baseline.json", record(local(hit())))
    kept = baseline_read(tmp_path / "baseline.json")["quick"]
    found = Comparison([], [], [Unmeasured("local.profile | faster | cashews mem", NO_CASHEWS)])
    comparison_print(kept, found, console)

    text = " ".join(console.file.getvalue().split())
    assert f"not measured here, ok in the baseline: local.profile | faster | cashews mem: {NO_CASHEWS}" in text
    assert "Nothing that was ok in the baseline is lost now." in text
    assert exit_code(record(local(hit())), found) == 0


def test_the_exit_code_is_1_for_a_lost_target_and_2_for_a_failed_section(tmp_path):
    before, now = record(local(hit())), record(local(hit(ours=1.5e-6)))
    baseline_write(tmp_path / "baseline.json", before)
    found = baseline_compare(baseline_read(tmp_path / "baseline.json")["quick"], now)

    assert exit_code(now, found) == 1
    assert exit_code(now, NOTHING) == 0
    assert exit_code(record(local(error="gone"), Part("memory", "Memory", 0, [])), found) == 2
