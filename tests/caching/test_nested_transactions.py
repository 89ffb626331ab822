"""Transactions within transactions, coroutines within them, and old snapshots: whoever reads, reads what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connections, transaction

from caching.runtime import runtime
from caching.transactions import open_notes
from tests.elsewhere import elsewhere
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

pytestmark = pytest.mark.django_db(transaction=True)

_REPEATABLE_READ = 3


@pytest.fixture(autouse=True)
def soup() -> Dish:
    for slug in ("corner", "rival"):
        Shop.objects.create(slug=slug, name="old")
    return Dish.objects.create(shop_id="corner", name="soup")


def _name(slug: str = "corner") -> str:
    copy = shop.get(slug)
    assert copy is not None
    return copy.name


def _rename(name: str, slug: str = "corner") -> None:
    Shop.objects.filter(pk=slug).update(name=name)


def _menu() -> list[str]:
    listing = menu.get("corner")
    assert listing is not None
    return [each.name for each in listing.results]


@pytest.fixture
def snapshots() -> Iterator[None]:
    """Transactions that keep the snapshot they begin with, as they may be set to by whoever runs the site."""
    connection: Any = connections["default"]
    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "sqlite":
            # They begin as readers then.
            patch.setattr(connection, "transaction_mode", "DEFERRED")
        elif connection.vendor == "postgresql":
            patch.setitem(connection.settings_dict["OPTIONS"], "isolation_level", _REPEATABLE_READ)
            connection.close()
        yield
    if connection.vendor == "postgresql":
        connection.close()
        # Whose connections have been told.
        connection.close_pool()


# --- savepoints -------------------------------------------------------------------------------------------------------


@pytest.mark.sql
def test_what_a_savepoint_took_back_is_read_by_nobody_and_what_stands_by_all(tiers: str) -> None:
    assert _name() == _name("rival") == "old"
    with transaction.atomic():
        _rename("outer")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            _rename("inner")
            _rename("inner", "rival")
            assert _name() == _name("rival") == "inner"
            raise ZeroDivisionError
        assert (_name(), _name("rival")) == ("outer", "old")
        assert elsewhere(_name) == "old"
    assert (_name(), _name("rival")) == ("outer", "old")
    assert elsewhere(lambda: (_name(), _name("rival"))) == ("outer", "old")


@pytest.mark.sql
def test_a_savepoint_by_hand_is_taken_back_the_same_way(tiers: str) -> None:
    with transaction.atomic():
        savepoint = transaction.savepoint()
        _rename("inner")
        assert _name() == "inner"
        transaction.savepoint_rollback(savepoint)
        assert _name() == "old"
        _rename("outer")
    assert _name() == elsewhere(_name) == "outer"


def test_what_a_savepoint_kept_goes_with_the_transaction_around_it(tiers: str) -> None:
    assert _name() == "old"
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with transaction.atomic():
            _rename("inner")
        assert _name() == "inner"
        raise ZeroDivisionError
    invalidations = shop.counters.invalidations
    assert _name() == elsewhere(_name) == "old"
    assert shop.counters.invalidations == invalidations
    assert not open_notes


def test_nothing_is_told_until_the_outermost_commit(tiers: str) -> None:
    assert _name() == "old"
    with transaction.atomic():
        with transaction.atomic(), transaction.atomic(savepoint=False):
            _rename("new")
        assert elsewhere(_name) == "old"
        assert shop.counters.loads == 1, "the old one was a hit"
    assert elsewhere(_name) == "new"


@pytest.mark.sql
def test_a_list_and_its_items_take_back_together(tiers: str, soup: Dish) -> None:
    assert _menu() == ["soup"]
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Dish.objects.create(shop_id="corner", name="bread")
            Dish.objects.filter(pk=soup.pk).update(name="broth")
            assert _menu() == ["bread", "broth"]
            raise ZeroDivisionError
        assert _menu() == ["soup"]
        assert elsewhere(_menu) == ["soup"]
    assert _menu() == ["soup"]


# --- coroutines -------------------------------------------------------------------------------------------------------


@pytest.fixture
def async_names() -> Callable[[], tuple[str, list[str], str]]:
    """Read a row, a list and many rows by the coroutine twins."""

    async def _read() -> tuple[str, list[str], str]:
        copy, listing = await shop.aget("corner"), await menu.aget("corner")
        assert copy is not None
        assert listing is not None
        many = await shop.aget_many([("corner",), ("rival",)])
        assert many["corner",] == copy
        return copy.name, [each.name for each in listing.results], many["rival",].name  # type: ignore[union-attr]

    return async_to_sync(_read)


def test_coroutines_inside_a_transaction_see_its_writes_and_keep_nothing(
    tiers: str, soup: Dish, async_names: Callable[[], tuple[str, list[str], str]]
) -> None:
    with transaction.atomic():
        _rename("mine")
        _rename("mine", "rival")
        Dish.objects.update(name="broth")
        assert async_names() == ("mine", ["broth"], "mine")
        assert runtime.local is not None
        assert not runtime.local.entries
        assert elsewhere(lambda: (_name(), _menu(), _name("rival"))) == ("old", ["soup"], "old")
        assert async_names() == ("mine", ["broth"], "mine"), "what others have filled is not for us"
        transaction.set_rollback(True)
    assert async_names() == ("old", ["soup"], "old")


@pytest.mark.sql
def test_coroutines_inside_a_savepoint_that_is_taken_back_leave_nothing(
    tiers: str, async_names: Callable[[], tuple[str, list[str], str]]
) -> None:
    with transaction.atomic():
        with transaction.atomic():
            _rename("inner")
            Dish.objects.update(name="broth")
            assert async_names() == ("inner", ["broth"], "old")
            transaction.set_rollback(True)
        assert async_names() == ("old", ["soup"], "old")
    assert async_names() == elsewhere(async_names) == ("old", ["soup"], "old")


def test_the_writes_of_coroutines_belong_to_the_transaction_around_them(tiers: str) -> None:
    assert _name() == "old"
    with transaction.atomic():
        async_to_sync(Shop.objects.filter(pk="corner").aupdate)(name="new")
        assert _name() == "new"
        assert elsewhere(_name) == "old"
    assert _name() == elsewhere(_name) == "new"


# --- old snapshots ----------------------------------------------------------------------------------------------------


def test_a_transaction_with_an_old_snapshot_fills_nothing(tiers: str, snapshots: None) -> None:
    with transaction.atomic():
        assert Shop.objects.get(pk="corner").name == "old"
        elsewhere(lambda: _rename("new"))
        assert Shop.objects.get(pk="corner").name == "old", "the snapshot stays"
        assert _name() == "old"
        assert async_to_sync(shop.aget)("corner").name == "old"
        assert elsewhere(_name) == "new"
    assert _name() == elsewhere(_name) == "new"


def test_a_list_in_an_old_snapshot_is_of_one_moment(tiers: str, snapshots: None, soup: Dish) -> None:
    with transaction.atomic():
        assert Dish.objects.count() == 1
        elsewhere(lambda: Dish.objects.update(name="broth"))
        elsewhere(lambda: dish.get("corner", soup.pk))
        assert _menu() == ["soup"], "the item that others have cached is of a later moment"
        elsewhere(lambda: Dish.objects.create(shop_id="corner", name="bread"))
        assert elsewhere(_menu) == ["bread", "broth"]
    assert _menu() == elsewhere(_menu) == ["bread", "broth"]


def test_who_cannot_commit_on_an_old_snapshot_leaves_the_newer_value(tiers: str, snapshots: None) -> None:
    with pytest.raises(OperationalError, match=r"locked|serialize|WriteConflict"), transaction.atomic():
        assert Shop.objects.get(pk="corner").name == "old"
        elsewhere(lambda: _rename("new"))
        assert _name() == "old"
        _rename("mine")
    assert _name() == elsewhere(_name) == "new"
    assert not open_notes
