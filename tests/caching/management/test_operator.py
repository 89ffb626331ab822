"""Operators' mistakes end a command with one line and exit code 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.usefixtures("redis_down")
@pytest.mark.django_db(transaction=True)
def test_without_redis_a_command_says_so() -> None:
    with pytest.raises(CommandError, match="Redis did not answer") as caught:
        call_command("warm_cache")
    assert caught.value.returncode == 1


@pytest.mark.parametrize("command", ["warm_cache", "clear_cache"])
def test_the_shell_sees_exit_code_1_and_one_line(command: str, tmp_path: Path) -> None:
    # An unknown region is told before the database is asked, so that none is needed.
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3", "DJANGO_SECRET_KEY": "x" * 50}
    environment.pop("REDIS_URL", None)

    ended = subprocess.run(
        [sys.executable, ROOT / "manage.py", command, "--region", "shap"],
        env={**environment, "DJANGO_SETTINGS_MODULE": "restaurant.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("CommandError: There is no cache region 'shap'. Regions: ")
    assert len(ended.stderr.splitlines()) == 1
