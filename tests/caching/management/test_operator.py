"""Operators' commands end with one line and an exit code where they cannot, and all write JSON the same way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from caching.management.operator import OperatorCommand
from tests.caching.operators import shop_of

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


class Raising(OperatorCommand):
    requires_system_checks: list[str] = []

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def handle(self, *_: Any, **__: Any) -> None:
        raise self.error


def test_a_database_that_refuses_is_told_without_its_words_and_with_where_to_look() -> None:
    with pytest.raises(CommandError, match=r"The database refused: OperationalError\. See .*cache_health") as caught:
        call_command(Raising(OperationalError("no such table: secret")))
    assert caught.value.returncode == 1


def test_ctrl_c_ends_a_command_with_a_line_and_the_shells_exit_code() -> None:
    with pytest.raises(CommandError, match="Stopped before it was done") as caught:
        call_command(Raising(KeyboardInterrupt()))
    assert caught.value.returncode == 128 + signal.SIGINT


class Odd(OperatorCommand):
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        self.write_json({"name": "Zoë \x1b[31m", "a": [float("nan")]})


def test_json_is_indented_ascii_in_the_given_order_and_knows_no_nan() -> None:
    out = StringIO()
    call_command(Odd(), stdout=out)
    assert out.getvalue() == '{\n  "name": "Zo\\u00eb \\u001b[31m",\n  "a": [\n    null\n  ]\n}\n'


@pytest.mark.usefixtures("shops", "redis")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "arguments",
    [
        ["cache_health"],
        ["cache_stats"],
        ["cache_stats", "--fleet"],
        ["cache_report"],
        ["cache_audit"],
        ["clear_cache", "--region", "shop", "--org", "tea"],
        ["warm_cache"],
        ["warm_cache", "--hot"],
        ["relay_invalidations", "--once"],
    ],
    ids=" ".join,
)
def test_every_command_writes_one_document_indented_by_two(arguments: list[str]) -> None:
    shop_of("tea")
    out = StringIO()

    call_command(*arguments, "--json", stdout=out)

    document = json.loads(out.getvalue())
    assert isinstance(document, dict)
    assert out.getvalue() == json.dumps(document, indent=2) + "\n"
    for name in ("regions", "loaded"):
        each = document.get(name) or []
        names = [region.get("name", region.get("region")) if isinstance(region, dict) else region for region in each]
        assert names == sorted(names)
