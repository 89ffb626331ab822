"""Transactions that somebody begins and ends by hand, with autocommit off, keep the same promises."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from caching.errors import HostFileError, MarkFailed
from caching.keys import Key
from caching.runtime import runtime
from caching.transactions import note, open_notes
from tests.shop.cached import shop
from tests.shop.models import Shop

KEY = Key("shop", "corner")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


def test_turning_autocommit_on_commits_and_so_invalidates(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    transaction.set_autocommit(False)
    corner.name = "new"
    corner.save()
    transaction.set_autocommit(True)
    assert Shop.objects.get().name == "new"
    assert shop.get("corner").name == "new"
    assert not open_notes


def test_a_commit_by_hand_that_was_refused_is_marked_when_it_is_tried_again(
    redis: Any, corner: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(slots: Any) -> None:
        raise HostFileError("full")

    shop.get("corner")
    transaction.set_autocommit(False)
    corner.name = "new"
    corner.save()
    with monkeypatch.context() as patch, pytest.raises(MarkFailed):
        patch.setattr(runtime.stamps, "pend", full)
        transaction.commit()
    transaction.commit()
    transaction.set_autocommit(True)
    assert shop.get("corner").name == Shop.objects.get().name == "new"


def test_a_save_with_autocommit_off_can_be_rolled_back(tiers: str, corner: Shop) -> None:
    shop.get("corner")
    transaction.set_autocommit(False)
    corner.name = "new"
    corner.save()
    with transaction.atomic():
        corner.save()
    transaction.rollback()
    transaction.set_autocommit(True)
    assert Shop.objects.get().name == "old"
    assert shop.get("corner").name == "old"


def test_a_block_with_autocommit_off_is_not_committed_by_its_savepoint(tiers: str, corner: Shop) -> None:
    transaction.set_autocommit(False)
    with transaction.atomic():
        Shop.objects.update(name="new")
    transaction.rollback()
    transaction.set_autocommit(True)
    assert Shop.objects.get().name == "old"


def test_a_thread_that_dies_in_a_transaction_leaves_no_notes(corner: Shop) -> None:
    def begin_and_die() -> None:
        transaction.set_autocommit(False)
        note("default", [KEY])

    thread = threading.Thread(target=begin_and_die)
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert not open_notes


@pytest.mark.sql
def test_a_transaction_begun_around_django_fills_nothing_from_its_snapshot(tiers: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        assert shop.get("corner").name == "old"  # type: ignore[union-attr]
        cursor.execute("ROLLBACK")
    assert shop.counters.refused == 1
    forgotten = shop.counters.loads
    shop.get("corner")
    assert shop.counters.loads == forgotten + 1
