"""Two databases behind one cache: what is written to one is none of the other's business, commits and rollbacks too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.db.models import QuerySet

from caching.audit import Judge, Verdict
from caching.keys import Key
from caching.transactions import open_notes
from tests.databases import beside, drop
from tests.shop.cached import shop
from tests.shop.everything import Everything
from tests.shop.models import Dish, Guest, HeadWaiter, Label, Review, Room, Seat, Shop, Tag, Waiter

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    """Open the database under the alias `other`, in this thread alone: as Django wants it from tests."""
    connections["other"] = connection = beside("other", path)
    try:
        yield
    finally:
        connections.close_all()
        connection.close()
        del connections["other"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "other.sqlite3"


@pytest.fixture(autouse=True)
def other(path: Path) -> Iterator[None]:
    """A second database, and the corner shop in both."""
    with _opened(path):
        _fill()
        yield
        drop(connections["other"])


def _fill() -> None:
    with connections["other"].schema_editor() as editor:
        for model in (Shop, Dish, Review, Label, Room, Waiter, HeadWaiter, Tag, Seat, Guest):
            editor.create_model(model)
    for alias in ("default", "other"):
        Shop.objects.using(alias).create(slug="corner", name=f"old {alias}")


def _name(alias: str) -> str:
    copy = shop.get("corner", using=alias)
    assert copy is not None
    return copy.name


def _names() -> tuple[str, str]:
    return _name("default"), _name("other")


def _rename(alias: str) -> None:
    Shop.objects.using(alias).update(name=f"new {alias}")


def _names_elsewhere(path: Path) -> tuple[str, str]:
    """The same in another thread, which has connections of its own."""
    returned: list[tuple[str, str]] = []

    def run() -> None:
        with _opened(path):
            returned.append(_names())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return returned[0]


OLD = ("old default", "old other")
WRITES: dict[str, Callable[[Shop], object]] = {
    "save": lambda row: row.save(),
    "save of a copy from the other database": lambda row: Shop.objects.get(pk="corner").save(using="other"),
    "update": lambda row: _rename("other"),
    "bulk_update": lambda row: Shop.objects.using("other").bulk_update([row], ["name"]),
    "delete": lambda row: row.delete(),
    "query set delete": lambda row: Shop.objects.using("other").all().delete(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_to_one_database_makes_its_own_keys_stale_and_no_others(
    tiers: str, write: Callable[[Shop], object]
) -> None:
    assert _names() == OLD
    row = Shop.objects.using("other").get()
    row.name = "changed"
    write(row)
    hits = shop.counters.local_hits
    assert _name("default") == "old default"
    assert shop.counters.local_hits == hits + 1
    fresh = shop.get("corner", using="other")
    assert fresh == shop.get("corner", using="other", use_cache=False)
    assert fresh is None or fresh.name != "old other"


def test_two_transactions_at_once_commit_by_themselves(tiers: str, path: Path) -> None:
    assert _names() == OLD
    with transaction.atomic():
        _rename("default")
        with transaction.atomic(using="other"):
            _rename("other")
            assert _names() == ("new default", "new other")
            assert _names_elsewhere(path) == OLD
        assert _names_elsewhere(path) == ("old default", "new other")
        assert _names() == ("new default", "new other")
    assert _names_elsewhere(path) == _names() == ("new default", "new other")
    assert not open_notes


@pytest.mark.parametrize(("kept", "lost"), [("default", "other"), ("other", "default")])
def test_a_rollback_in_one_database_leaves_what_the_other_has_noted(tiers: str, kept: str, lost: str) -> None:
    assert _names() == OLD
    with transaction.atomic(using=kept):
        _rename(kept)
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=lost):
            _rename(lost)
            raise ZeroDivisionError
        assert (_name(kept), _name(lost)) == (f"new {kept}", f"old {lost}")
    assert (_name(kept), _name(lost)) == (f"new {kept}", f"old {lost}")


def test_a_transaction_in_one_database_keeps_no_one_from_filling_with_the_others(tiers: str) -> None:
    with transaction.atomic():
        _rename("default")
        assert _names() == ("new default", "old other")
        loads = shop.counters.loads
        assert _names() == ("new default", "old other")
        assert shop.counters.loads == loads + 1, "its own is read again, the other's is kept"


def test_relations_and_cascades_of_the_other_database_are_noted_for_it() -> None:
    for alias in ("default", "other"):
        Waiter.objects.using(alias).bulk_create([Waiter(name="house"), Waiter(name="ann")])
        seat = Seat.objects.using(alias).create(shop_id="corner", number=1, waiter_id="ann")
        seat.tags.add(Tag.objects.using(alias).create(text="window"))
    everything = {alias: Everything(alias) for alias in ("default", "other")}
    before = {alias: each.answers() for alias, each in everything.items()}
    Waiter.objects.using("other").get(pk="ann").delete()
    Tag.objects.using("other").get().seat_set.clear()
    assert everything["other"].assert_fresh() != before["other"]
    assert everything["default"].assert_fresh() == before["default"]


def test_a_hit_is_audited_against_the_database_it_was_read_from() -> None:
    judge = Judge()
    assert _names() == OLD
    # As another program would, unseen.
    QuerySet(Shop, using="other").update(name="new other")

    assert judge.look(Key("shop", "corner")) is Verdict.CONSISTENT
    assert judge.look(Key("shop", "corner", alias="other")) is Verdict.SUSPECT
