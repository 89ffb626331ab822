"""Which rows are looked at when Django tells of a write: as they stand in the database, not as somebody read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from django.db.models import QuerySet
from django.db.models.deletion import Collector
from django.test.utils import CaptureQueriesContext

from tests.databases import sqlite
from tests.elsewhere import elsewhere
from tests.shop.cached import tally
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def soup() -> Dish:
    Shop.objects.create(slug="corner", name="Corner")
    return Dish.objects.create(shop_id="corner", name="soup", kind="starter")


def test_a_row_that_moves_between_being_collected_and_deleted_leaves_no_count_behind(
    tiers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = Collector.delete

    def move_and_delete(collector: Collector) -> Any:
        elsewhere(lambda: Dish.objects.update(kind="main"))
        assert tally.get("corner", "main").dishes == 1
        return delete(collector)

    tally.get("corner", "main")
    monkeypatch.setattr(Collector, "delete", move_and_delete)
    # Django's own query set: what it collects is read before any transaction.
    QuerySet(Dish).delete()
    assert tally.get("corner", "main").dishes == 0


def test_where_writers_exclude_each_other_a_query_sets_delete_asks_for_no_row_again(tmp_path: Path) -> None:
    connections["other"] = exclusive = sqlite("other", tmp_path / "other.sqlite3")
    try:
        with exclusive.schema_editor() as editor:
            for model in apps.get_app_config("shop").get_models():
                if not model._meta.proxy:
                    editor.create_model(model)
        Shop.objects.using("other").create(slug="corner", name="corner")
        Dish.objects.using("other").create(shop_id="corner", name="bread", kind="starter")
        with CaptureQueriesContext(exclusive) as queries:
            Dish.objects.using("other").all().delete()
        assert not Dish.objects.using("other").exists()
    finally:
        exclusive.close()
        del connections["other"]
    assert [query["sql"] for query in queries if "kind" in query["sql"] and "WHERE" in query["sql"]] == []


@pytest.mark.sql
def test_where_writers_do_not_each_row_is_locked_before_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "another")
    monkeypatch.setattr(connection.features, "has_select_for_update", True)
    monkeypatch.setattr(connection.ops, "for_update_sql", lambda **options: "/* locked */")
    with CaptureQueriesContext(connection) as queries:
        Dish.objects.all().delete()
    assert sum("locked" in query["sql"] for query in queries) == 1
