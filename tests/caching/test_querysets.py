"""Writes that Django sends no signal for, and those it does: whatever changes a row, the next read has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import NotSupportedError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from tests.shop.cached import labels, menu, shop, tally
from tests.shop.models import Dish, Guest, Label, Review, Seat, Shop, SpecialDish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def soup() -> Dish:
    Shop.objects.create(slug="corner", name="Corner")
    Shop.objects.create(slug="rival", name="Rival")
    return Dish.objects.create(shop_id="corner", name="soup", kind="starter")


#: What `seen` returned, each time.
history: list[dict[str, Any]] = []


def seen() -> dict[str, Any]:
    """All that is cached of the corner shop, read through the cache."""
    listing = menu.get("corner")
    now = {
        "shop": shop.get("corner"),
        "menu": listing and [(each.name, each.stars) for each in listing.results],
        "starters": tally.get("corner", "starter"),
        "mains": tally.get("corner", "main"),
        "labels": labels.get("corner"),
    }
    history.append(now)
    return now


def direct() -> dict[str, Any]:
    """The same, read around the cache."""
    listing = menu.get("corner", use_cache=False)
    return {
        "shop": shop.get("corner", use_cache=False),
        "menu": listing and [(each.name, each.stars) for each in listing.results],
        "starters": tally.get("corner", "starter", use_cache=False),
        "mains": tally.get("corner", "main", use_cache=False),
        "labels": labels.get("corner", use_cache=False),
    }


def _review(dish: Dish) -> Review:
    return Review.objects.create(dish=dish, stars=3)


WRITES: dict[str, Callable[[Dish], object]] = {
    "save": lambda dish: (setattr(dish, "name", "broth"), dish.save()),
    "save of one field": lambda dish: (setattr(dish, "name", "broth"), dish.save(update_fields=["name"])),
    "save of an expression": lambda dish: (setattr(dish, "kind", F("name")), dish.save()),
    "save of text where a row has a UUID": lambda dish: Dish(
        id=str(dish.pk), shop_id="corner", name="broth", version=1
    ).save(force_update=True),
    "a row that moves": lambda dish: (setattr(dish, "shop_id", "rival"), dish.save()),
    "a key part that changes": lambda dish: (setattr(dish, "kind", "main"), dish.save()),
    "create": lambda dish: Dish.objects.create(shop_id="corner", name="bread", kind="starter"),
    "get_or_create": lambda dish: Dish.objects.get_or_create(shop_id="corner", name="bread", kind="main"),
    "update_or_create": lambda dish: Dish.objects.update_or_create(pk=dish.pk, defaults={"name": "broth"}),
    "delete": lambda dish: dish.delete(),
    "update": lambda dish: Dish.objects.filter(pk=dish.pk).update(name="broth"),
    "update that moves rows": lambda dish: Dish.objects.filter(pk=dish.pk).update(shop="rival"),
    "update of a key part": lambda dish: Dish.objects.update(kind="main"),
    "update by expression": lambda dish: Dish.objects.update(name=F("kind")),
    "update across distinct": lambda dish: Dish.objects.distinct().update(name="broth"),
    "query set delete": lambda dish: Dish.objects.filter(name="soup").delete(),
    "bulk_create": lambda dish: Dish.objects.bulk_create([Dish(shop_id="corner", name="bread", kind="main")]),
    "bulk_create that updates": lambda dish: Dish.objects.bulk_create(
        [Dish(shop_id="corner", name="soup", kind="x"), Dish(shop_id="corner", name="stew")],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["name"],
    ),
    "bulk_create that ignores": lambda dish: Dish.objects.bulk_create(
        [Dish(shop_id="corner", name="soup"), Dish(shop_id="corner", name="stew")], ignore_conflicts=True
    ),
    "bulk_update": lambda dish: (
        setattr(dish, "name", "broth"),
        setattr(dish, "kind", "main"),
        Dish.objects.bulk_update([dish], ["name", "kind"]),
    ),
    "a child's creation": _review,
    "a child's bulk_create": lambda dish: Review.objects.bulk_create([Review(dish=dish, stars=4)]),
    "a child's update": lambda dish: (_review(dish), seen(), Review.objects.update(stars=5)),
    "a child's deletion": lambda dish: (_review(dish), seen(), Review.objects.all().delete()),
    "a child that moves": lambda dish: (
        _review(dish),
        other := Dish.objects.create(shop_id="corner", name="tart"),
        seen(),
        Review.objects.update(dish=other),
    ),
    "reverse add": lambda dish: (
        Dish.objects.create(shop_id="rival", name="tart"),
        seen(),
        Shop.objects.get(pk="corner").dish_set.add(Dish.objects.get(name="tart")),
    ),
    "a proxy": lambda dish: (
        proxy := SpecialDish.objects.get(pk=dish.pk),
        setattr(proxy, "name", "special"),
        proxy.save(),
    ),
    "a proxy's update": lambda dish: SpecialDish.objects.update(name="special"),
    "a model that is not cached": lambda dish: Label.objects.create(shop_id="corner", text="vegan"),
    "its saving": lambda dish: (
        label := Label.objects.create(shop_id="corner", text="vegan"),
        seen(),
        setattr(label, "text", "fresh"),
        label.save(),
    ),
    "its deletion": lambda dish: (
        label := Label.objects.create(shop_id="corner", text="vegan"),
        seen(),
        label.delete(),
    ),
    "a field that figures depend on": lambda dish: Shop.objects.update(rate=9),
    "the parent's deletion": lambda dish: (_review(dish), seen(), Shop.objects.get(pk="corner").delete()),
}

_OF_SQL = {"bulk_create that updates", "bulk_create that ignores"}


@pytest.mark.parametrize(
    "write",
    [pytest.param(write, marks=[pytest.mark.sql] * (name in _OF_SQL), id=name) for name, write in WRITES.items()],
)
def test_after_the_write_every_read_is_fresh(tiers: str, soup: Dish, write: Callable[[Dish], object]) -> None:
    history.clear()
    seen()
    write(soup)
    before = history[-1]
    assert seen() == direct()
    assert direct() != before, "a write that changes nothing would prove nothing"


def test_an_instance_loaded_before_a_move_still_dirties_where_the_row_is_now(tiers: str, soup: Dish) -> None:
    old_copy = Dish.objects.get(pk=soup.pk)
    Dish.objects.filter(pk=soup.pk).update(shop="rival")
    assert [menu.get(org).count for org in ("corner", "rival")] == [0, 1]
    old_copy.save()
    assert [menu.get(org).count for org in ("corner", "rival")] == [1, 0]
    old_copy.shop_id = "rival"
    old_copy.save()
    menu.get("corner"), menu.get("rival")
    stale = Dish(pk=soup.pk, shop_id="corner")
    stale.delete()
    assert [menu.get(org).count for org in ("corner", "rival")] == [0, 0]


def test_an_update_that_leaves_the_named_fields_alone_keeps_what_depends_on_them(tiers: str) -> None:
    tally.get("corner", "starter")
    before = tally.counters.invalidations
    row = Shop.objects.get(pk="corner")
    row.name = "renamed"
    row.save()
    Shop.objects.filter(pk="corner").update(name="again")
    assert tally.counters.invalidations == before
    row.rate = 3
    row.save()
    assert tally.get("corner", "starter").rate == 3


def test_every_write_renews_the_version(soup: Dish) -> None:
    versions = {soup.version}
    soup.save()
    versions.add(soup.version)
    soup.save(update_fields=["name"])
    versions.add(Dish.objects.get().version)
    Dish.objects.update(name="broth")
    versions.add(Dish.objects.get().version)
    soup.name = "stock"
    Dish.objects.bulk_update([soup], ["name"])
    versions.add(Dish.objects.get().version)
    assert len(versions) == 5
    assert all(0 <= version < 2**53 for version in versions)


@pytest.mark.sql
def test_an_insert_that_becomes_an_update_renews_the_version(soup: Dish) -> None:
    Dish.objects.bulk_create(
        [Dish(shop_id="corner", name=soup.name)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["name"],
    )

    assert Dish.objects.get().version != soup.version


def test_an_update_touches_the_rows_it_matched_and_counts_them() -> None:
    Dish.objects.create(shop_id="corner", name="bread", kind="starter")
    assert Dish.objects.filter(kind="starter").update(kind="main") == 2
    assert Dish.objects.filter(kind="starter").update(kind="main") == 0
    assert Dish.objects.filter(kind="main").order_by("name").update(name=F("name")) == 2


def test_an_update_of_a_model_nothing_depends_on_is_djangos_own() -> None:
    from caching.registry import registry

    declared = registry.dependencies
    try:
        registry.__dict__["dependencies"] = type(declared)([])
        with CaptureQueriesContext(connection) as queries:
            Shop.objects.update(name="x")
        assert len(queries) == 1
    finally:
        registry.__dict__["dependencies"] = declared


def test_a_bulk_change_of_the_primary_key_is_refused(soup: Dish) -> None:
    with pytest.raises(NotSupportedError, match="primary key of Dish"):
        Dish.objects.update(id=soup.pk)


def test_an_upsert_of_fields_that_keys_are_made_of_is_refused(soup: Dish) -> None:
    with pytest.raises(NotSupportedError, match=r"cannot update .*kind"):
        Dish.objects.bulk_create(
            [Dish(shop_id="corner", name="soup", kind="main")],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["kind"],
        )
    assert Dish.objects.get().kind == "starter"


def test_an_upsert_of_a_parent_that_knows_the_key_is_refused() -> None:
    seat = Seat.objects.create(shop_id="corner", number=1, waiter=None)
    with pytest.raises(NotSupportedError, match=r"cannot update seat"):
        Guest.objects.bulk_create(
            [Guest(pk=1, seat=seat)], update_conflicts=True, unique_fields=["pk"], update_fields=["seat"]
        )


async def test_the_async_twins_of_the_manager_invalidate_too(tiers: str, soup: Dish) -> None:
    await shop.aget("corner")
    await Shop.objects.filter(pk="corner").aupdate(name="async")
    assert (await shop.aget("corner")).name == "async"
    row = await Shop.objects.aget(pk="corner")
    row.name = "saved"
    await row.asave()
    assert (await shop.aget("corner")).name == "saved"
    await Dish.objects.all().adelete()
    await row.adelete()
    assert await shop.aget("corner") is None


def test_a_fixture_that_moves_a_row_makes_its_old_key_stale(tiers: str, soup: Dish, tmp_path: Path) -> None:
    seen()
    rows = json.loads(serializers.serialize("json", [soup]))
    rows[0]["fields"]["kind"] = "main"
    fixture = tmp_path / "moved.json"
    fixture.write_text(json.dumps(rows))
    call_command("loaddata", str(fixture), verbosity=0)
    assert seen() == direct()
    assert tally.get("corner", "main").dishes == 1


@pytest.mark.sql
def test_where_rows_can_be_locked_a_save_locks_before_it_looks(soup: Dish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.features, "has_select_for_update", True)
    monkeypatch.setattr(connection.ops, "for_update_sql", lambda **options: "/* locked */")
    with CaptureQueriesContext(connection) as queries:
        soup.save()
    selects = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    assert ["locked" in select for select in selects] == [True, False]
