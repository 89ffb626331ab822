"""A real place on the test's own restaurant and Redis, for what only processes of their own can show."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import QuerySet

from benchmarks.place import Place
from tests.databases import opened, sqlite

__all__ = ["real_place"]


@pytest.fixture
def real_place(restaurant, caches_of_peers, monkeypatch):
    """A place whose database is the test's as it stands, and whose Redis is the test's."""
    monkeypatch.setattr(Place, "redis_url", caches_of_peers)
    with Place() as place:
        path = place.folder / "db.sqlite3"
        if connection.vendor == "sqlite":
            with (
                closing(sqlite3.connect(connection.settings_dict["NAME"])) as ours,
                closing(sqlite3.connect(path)) as copy,
            ):
                ours.backup(copy)
        else:
            _copy(path)
        yield place


def _copy(path: Path) -> None:
    """Write all rows of the test's database into a new SQLite file, which is what the sections measure."""
    # The shop is the framework's tests', and no part of the restaurant.
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label != "shop"]
    with opened("copy", sqlite("copy", path).settings_dict):
        call_command("migrate", database="copy", verbosity=0, run_syncdb=True)
        with transaction.atomic("copy"):
            for model in models:
                if model._meta.managed and not model._meta.proxy:
                    rows = QuerySet(model).using("copy")
                    rows._raw_delete("copy")
                    rows.bulk_create(QuerySet(model).using("default"))
