"""The cache over MongoDB: fresh after commit, nothing of a rollback, no fill inside a transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from caching.mongodb.base import DatabaseWrapper
from caching.transactions import open_notes
from tests.caching.mongodb.conftest import ALIAS
from tests.shop.cached import shop
from tests.shop.models import Shop

Elsewhere = Callable[[Callable[[], Any]], Any]


@pytest.fixture(autouse=True)
def corner(mongo: DatabaseWrapper, fresh_cache: None) -> Shop:
    return Shop.objects.using(ALIAS).create(slug="corner", name="old")


def _name() -> str:
    copy = shop.get("corner", using=ALIAS)
    assert copy is not None
    return str(copy.name)


def _hits() -> int:
    return shop.counters.local_hits


WRITES: dict[str, Callable[[Shop], object]] = {
    "save": lambda row: row.save(),
    "update": lambda row: Shop.objects.using(ALIAS).update(name="new"),
    "bulk_update": lambda row: Shop.objects.using(ALIAS).bulk_update([row], ["name"]),
    "update_or_create": lambda row: Shop.objects.using(ALIAS).update_or_create({"name": "new"}, slug="corner"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_in_autocommit_makes_the_copy_stale(
    tiers: str, corner: Shop, write: Callable[[Shop], object], elsewhere: Elsewhere
) -> None:
    assert (_name(), _name(), _hits()) == ("old", "old", 1)
    corner.name = "new"
    write(corner)
    assert (elsewhere(_name), _name()) == ("new", "new")
    assert not open_notes


def test_while_a_writer_commits_nothing_is_filled(
    tiers: str, mongo: DatabaseWrapper, corner: Shop, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a reader loads between the mark and the commit must be nobody's copy afterwards."""
    commit, read = mongo._commit, []

    def commit_slowly() -> None:
        read.append(elsewhere(_name))
        commit()
        # Committed, and still marked: a copy filled now might have been loaded before.
        read.append(elsewhere(_name))

    monkeypatch.setattr(mongo, "_commit", commit_slowly)
    corner.name = "new"
    corner.save()
    assert read == ["old", "new"]
    hits = _hits()
    assert (_name(), _hits()) == ("new", hits)


def test_until_the_commit_others_keep_their_copy_and_the_writer_reads_its_own(
    tiers: str, corner: Shop, elsewhere: Elsewhere
) -> None:
    _name()
    with transaction.atomic(ALIAS):
        corner.name = "new"
        corner.save()
        assert (_name(), elsewhere(_name)) == ("new", "old")
    assert _name() == "new"


def test_a_rolled_back_write_leaves_no_trace(tiers: str, corner: Shop) -> None:
    _name()
    invalidations = shop.counters.invalidations
    with pytest.raises(ZeroDivisionError), transaction.atomic(ALIAS):
        corner.name = "new"
        corner.save()
        raise ZeroDivisionError
    assert (_name(), _hits(), shop.counters.invalidations) == ("old", 1, invalidations)
    assert not open_notes


def test_an_old_snapshot_fills_nothing(tiers: str, corner: Shop, elsewhere: Elsewhere) -> None:
    def rename() -> None:
        Shop.objects.using(ALIAS).update(name="new")

    with transaction.atomic(ALIAS):
        assert Shop.objects.using(ALIAS).count() == 1
        elsewhere(rename)
        assert _name() == "old"
    assert _name() == "new"


def test_a_commit_hook_already_reads_the_new_value(tiers: str, corner: Shop) -> None:
    _name()
    seen: list[str] = []
    with transaction.atomic(ALIAS):
        corner.name = "new"
        corner.save()
        transaction.on_commit(lambda: seen.append(_name()), using=ALIAS)
    assert seen == ["new"]
