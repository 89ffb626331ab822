"""What is said while it is measured: lines for a file, a bar on a terminal."""

import io
import threading

import pytest
from rich.console import Console

from benchmarks.progress import Progress


@pytest.fixture
def plain():
    return Console(file=io.StringIO(), width=80)


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), width=80, force_terminal=True)


def run(console, rows=None):
    with Progress(console, rows or {}) as progress:
        progress.section("local")
        progress.say("a [profile]")
        progress.row()
        progress.section("memory")
        progress.say("a balance")
    return console.file.getvalue()


def test_elsewhere_than_on_a_terminal_each_row_is_a_plain_line(plain):
    assert run(plain) == "local: a [profile]\nmemory: a balance\n"


def test_a_long_line_stays_one_line(plain):
    with Progress(plain, {}) as progress:
        progress.section("local")
        progress.say("a very long description " * 10)

    assert len(plain.file.getvalue().splitlines()) == 1


def test_on_a_terminal_the_bar_says_what_is_measured_and_how_much_is_done(terminal):
    text = run(terminal, {"local": 1, "memory": 1})

    assert "local: a [profile]" in text
    assert "50%" in text


def test_a_section_with_fewer_rows_than_last_time_does_not_hold_the_bar_up(terminal):
    # One row of three; the next section begins at three of four all the same.
    assert "75%" in run(terminal, {"local": 3, "memory": 1})


def test_a_section_with_more_rows_than_last_time_does_not_overtake_it(terminal):
    with Progress(terminal, {"local": 1, "memory": 1}) as progress:
        progress.section("local")
        for _ in range(5):
            progress.row()
        progress.say("more")

    assert "100%" not in terminal.file.getvalue()


def test_no_thread_draws_while_something_is_measured(terminal):
    threads = threading.active_count()

    with Progress(terminal, {}):
        assert threading.active_count() == threads
