"""The runner: which stores, which tests, where the tests are told the server is, and how it all ends."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.postgres import PostgresUnavailable
from tests.stores import __main__ as runner
from tests.stores.targets import STORES, WHOLE, Started, Store


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """What the runner would have started, with its environment; nothing is started, and nothing recorded."""
    started: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], *, cwd: Path, env: dict[str, str], check: bool) -> Any:
        started.append((command, env))
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(runner.subprocess, "run", run)
    return started


def _store(ended: list[str], **environment: str) -> Store:
    def start(stack: ExitStack) -> Started:
        stack.callback(ended.append, "ended")
        return Started("1.0", environment)

    return Store("store", WHOLE, start)


def test_the_tests_are_told_where_the_server_is_and_nothing_else(commands, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///somebody's")
    monkeypatch.setenv("REDIS_URL", "redis://somebody's")
    ended: list[str] = []

    runner._run(_store(ended, DATABASE_URL="postgres://ours"), [], tmp_path)

    ((command, environment),) = commands
    assert command[-1] == "tests"
    assert environment["DATABASE_URL"] == "postgres://ours"
    assert "REDIS_URL" not in environment
    assert ended == ["ended"]


@pytest.mark.parametrize(
    ("passed_on", "expected"),
    [
        (["-x"], ["--numprocesses", "auto", "--dist", "worksteal", "-x", "tests"]),
        (["-n", "2"], ["-n", "2", "tests"]),
        (["-n", "0", "tests/test_x.py::test_y"], ["-n", "0", "tests/test_x.py::test_y", "tests"]),
        (["-n", "0", "tests/stores/test_main.py::test_y"], ["-n", "0", "tests/stores/test_main.py::test_y"]),
    ],
    ids=["in parallel", "as parallel as asked", "a path that is none", "paths replace the store's own"],
)
def test_arguments_of_pytest_are_passed_on(commands, tmp_path, passed_on, expected) -> None:
    runner._run(_store([]), passed_on, tmp_path)

    ((command, _),) = commands
    assert command[4:] == expected


def test_a_server_that_cannot_start_is_a_line_of_the_table(tmp_path) -> None:
    def start(stack: ExitStack) -> Started:
        raise PostgresUnavailable("There is none.")

    found = runner._run(Store("store", WHOLE, start), [], tmp_path)

    assert (found.good, found.trouble) == (False, "There is none.")


def test_an_unknown_store_is_refused_by_name(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["stores", "--stores", "sqlite oracle"])

    with pytest.raises(SystemExit, match="2"):
        runner._arguments()

    assert f"no such store: oracle; there are {', '.join(STORES)}" in capsys.readouterr().err


def test_without_a_word_sqlite_is_left_to_make_test(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stores", "-x", "--", "-k", "till"])

    stores, passed_on = runner._arguments()

    assert [store.name for store in stores] == [name for name in STORES if name != "sqlite"]
    assert passed_on == ["-x", "-k", "till"]
