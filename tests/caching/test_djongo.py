"""djongo is refused before models import it, where Django would say only that it cannot be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from caching.mongodb_checks import check_engines, refuse_djongo

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the settings have for DATABASES, as the checks see it."""
    found: dict[str, Any] = {"default": {"ENGINE": "django.db.backends.sqlite3"}}
    monkeypatch.setattr("caching.mongodb_checks.settings", type("Settings", (), {"DATABASES": found}))
    return found


@pytest.mark.parametrize("engine", ["djongo", "djongo.base"])
def test_it_is_an_error_of_any_database_and_refused_at_once_as_the_default(
    databases: dict[str, Any], engine: str
) -> None:
    databases["legacy"] = {"ENGINE": engine}
    assert [(error.id, error.msg[:19]) for error in check_engines()] == [("caching.E065", "DATABASES['legacy']")]
    refuse_djongo()

    databases["default"] = {"ENGINE": engine}
    with pytest.raises(
        ImproperlyConfigured, match=r"^\(caching\.E065\) DATABASES\['default'\]: djongo is not supported"
    ):
        refuse_djongo()


@pytest.mark.parametrize("engine", ["caching.mongodb", "my.djongo", ""])
def test_others_are_not_refused(databases: dict[str, Any], engine: str) -> None:
    databases["default"] = {"ENGINE": engine}
    refuse_djongo()
    databases.clear()
    refuse_djongo()


@pytest.mark.parametrize("command", ["check", "migrate"])
def test_a_process_with_its_url_ends_with_the_way_out(command: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, ROOT / "manage.py", command],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "restaurant.settings",
            "DJANGO_SECRET_KEY": "x" * 50,
            "DJANGO_VAR_DIR": str(tmp_path),
            "DATABASE_URL": "djongo://user:password@127.0.0.1:1/shop",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "ImproperlyConfigured: (caching.E065) DATABASES['default']: djongo is not supported" in ended.stderr
    assert "pip install django-mongodb-backend" in ended.stderr.splitlines()[-1]
    assert "password" not in ended.stderr
