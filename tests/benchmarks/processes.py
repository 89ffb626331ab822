"""A real place on the test's own restaurant and Redis, for what only processes of their own can show."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from django.db import connection

from benchmarks.place import Place

__all__ = ["real_place"]


@pytest.fixture
def real_place(restaurant, caches_of_peers, monkeypatch):
    """A place whose database is the test's as it stands, and whose Redis is the test's."""
    monkeypatch.setattr(Place, "redis_url", caches_of_peers)
    with Place() as place:
        with (
            closing(sqlite3.connect(connection.settings_dict["NAME"])) as ours,
            closing(sqlite3.connect(place.folder / "db.sqlite3")) as copy,
        ):
            ours.backup(copy)
        yield place
