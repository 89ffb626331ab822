"""The command prints what came out, writes the page if asked, and its exit code says whether one is worse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.policies import __main__ as command
from benchmarks.policies import run
from tests.benchmarks.policies.test_page import compared, outcome


def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    given: dict[str, Any] = {}

    def compare(**options: Any) -> Any:
        given.update(options)
        return found

    monkeypatch.setattr(run, "policies_compare", compare)
    return command.run(command._given(arguments), tmp_path / "policies.md"), given


def test_a_week_is_played_after_a_week_to_learn_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, given = called(monkeypatch, tmp_path, compared())
    assert (str(given["first"]), given["days"], given["learn"]) == ("2019-04-29", 7, 7)


@pytest.mark.parametrize(("hits", "code"), [(70, 0), (50, 0), (40, 1)])
def test_the_exit_code_is_1_if_a_policy_is_worse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hits: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, tmp_path, compared(outcome("adaptive", hits)))[0] == code
    assert "adaptive" in capsys.readouterr().out
    assert not (tmp_path / "policies.md").exists()


def test_the_page_is_written_when_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called(monkeypatch, tmp_path, compared(outcome("adaptive", 70)), "--write-docs")
    assert "| adaptive | 200 |" in (tmp_path / "policies.md").read_text()


def test_without_the_file_it_says_so_in_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.policies", "--orders", "nowhere.csv"], capture_output=True, text=True
    )
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert line.startswith("nowhere.csv cannot be read")
