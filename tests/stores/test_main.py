"""The runner: which stores, which tests, where the tests are told the server is, and how it all ends."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.postgres import PostgresUnavailable
from tests.stores import __main__ as runner
from tests.stores.replays import Interruption, Played, PlayError
from tests.stores.results import Outcome
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


def no_replays(*passed_on: str) -> runner.Wanted:
    return runner.Wanted([], passed_on, only="tests")


def test_the_tests_are_told_where_the_server_is_and_nothing_else(commands, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///somebody's")
    monkeypatch.setenv("REDIS_URL", "redis://somebody's")
    monkeypatch.setenv("PROVE_SCRATCH", "our own guard's")
    ended: list[str] = []

    runner._run(_store(ended, DATABASE_URL="postgres://ours"), no_replays(), tmp_path)

    ((command, environment),) = commands
    assert command[-1] == "tests"
    assert environment["DATABASE_URL"] == "postgres://ours"
    assert not {"REDIS_URL", "PROVE_SCRATCH"} & set(environment)
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
    runner._run(_store([]), no_replays(*passed_on), tmp_path)

    ((command, _),) = commands
    assert command[4:] == expected


def test_a_server_that_cannot_start_is_a_line_of_the_table(tmp_path) -> None:
    def start(stack: ExitStack) -> Started:
        raise PostgresUnavailable("There is none.")

    found = runner._run(Store("store", WHOLE, start), no_replays(), tmp_path)

    assert (found.good, found.trouble) == (False, "There is none.")


def test_an_unknown_store_is_refused_by_name(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["stores", "--stores", "sqlite oracle"])

    with pytest.raises(SystemExit, match="2"):
        runner._arguments()

    assert f"no such store: oracle; there are {', '.join(STORES)}" in capsys.readouterr().err


def asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> runner.Wanted:
    monkeypatch.setattr(sys, "argv", ["stores", *arguments])
    return runner._arguments()


def test_what_make_test_runs_is_run_again_only_for_who_names_the_store(monkeypatch) -> None:
    wanted = asked(monkeypatch)
    assert [store.name for store in wanted.stores] == list(STORES)
    assert [wanted.has_tests(store) for store in wanted.stores] == [not store.is_ordinary for store in wanted.stores]
    assert wanted.has_replays

    wanted = asked(monkeypatch, "--stores", "sqlite")
    assert [wanted.has_tests(store) for store in wanted.stores] == [True]


def test_who_names_tests_wants_no_replays(monkeypatch) -> None:
    wanted = asked(monkeypatch, "-x", "--", "-k", "till")

    assert wanted.passed_on == ["-x", "-k", "till"]
    assert not wanted.has_replays


@pytest.mark.parametrize(("only", "expected"), [("tests", (True, False)), ("replays", (False, True))])
def test_either_may_be_wanted_alone(monkeypatch, only: str, expected: tuple[bool, bool]) -> None:
    wanted = asked(monkeypatch, "--stores", "postgresql", "--only", only)

    assert (wanted.has_tests(wanted.stores[0]), wanted.has_replays) == expected


@pytest.mark.parametrize("arguments", [["--only", "tests"], ["-x"]])
def test_the_page_is_written_of_whole_runs_alone(monkeypatch, capsys, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        asked(monkeypatch, "--write-docs", *arguments)
    assert "--write-docs wants the whole of each store" in capsys.readouterr().err


@pytest.mark.parametrize("trouble", ["", "It is away."])
def test_days_are_played_and_interrupted_on_the_site_of_the_store(monkeypatch, tmp_path, trouble: str) -> None:
    days = []
    interruption = Interruption(list, list, frozenset())

    def played(site: Mapping[str, str], interruption: Interruption | None = None) -> Played:
        days.append((site, interruption))
        if trouble:
            raise PlayError(trouble)
        return Played({})

    monkeypatch.setattr(runner, "play", played)
    started = Started("1.0", {"TEST_REDIS": "ours"}, interruption, {"REDIS_URL": "redis://ours"})
    wanted = runner.Wanted([], only="replays")

    found = runner._run(Store("store", WHOLE, lambda _: started), wanted, tmp_path)

    site = {"REDIS_URL": "redis://ours"}
    assert days == [(site, None), (site, interruption)][: 1 if trouble else 2]
    assert (found.trouble, found.interrupted is None, found.has_tests) == (trouble, bool(trouble), False)


def test_the_table_stands_between_its_marks(tmp_path) -> None:
    page = tmp_path / "stores.md"
    page.write_text("before\n<!-- stores -->\nold\n<!-- /stores -->\nafter\n")

    runner.page_write([Outcome("one", "1.0", passed=5)], page)

    before, *middle, after = page.read_text().splitlines()
    assert (before, after) == ("before", "after")
    assert middle[0] == "<!-- stores -->"
    assert middle[-2].startswith("| one | 1.0 | 5 |")
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no <!-- stores -->"):
        runner.page_write([], page)
