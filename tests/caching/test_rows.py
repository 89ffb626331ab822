"""The values that keys are made of, of rows whose primary keys nobody has told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import NotSupportedError, connection
from django.test.utils import CaptureQueriesContext

from caching import On, Region
from caching.registry import registry
from tests.shop.cached import DishCopy, Texts, dish, guests
from tests.shop.models import Dish, Guest, Review, Room, Seat, Shop, Tag

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def soup() -> Dish:
    Shop.objects.create(slug="corner", name="Corner")
    return Dish.objects.create(shop_id="corner", name="soup")


def _load(org: str, *parts: int, using: str) -> DishCopy | None:
    review = Review.objects.using(using).filter(pk=parts[0]).first()
    return review and DishCopy(id=review.dish_id, version=0, name="", stars=review.stars)


@pytest.fixture
def declare() -> Iterator[type[Region[DishCopy]]]:
    before = set(registry.regions)
    yield Region
    for name in set(registry.regions) - before:
        registry.remove(registry.get(name))


def _create(dish: Dish, count: int = 1) -> None:
    reviews = [Review(dish=dish, stars=5) for _ in range(count)]
    Review.objects.bulk_create(reviews, ignore_conflicts=True)
    assert [review.pk for review in reviews] == [None] * count, "nobody told the primary keys"


@pytest.mark.sql
def test_what_is_inserted_without_a_word_of_its_primary_key_makes_its_parents_keys_stale(
    tiers: str, soup: Dish
) -> None:
    assert dish.get("corner", soup.pk).stars == 0
    _create(soup)
    assert dish.get("corner", soup.pk).stars == 5


@pytest.mark.sql
def test_a_path_to_many_rows_behind_the_parent_finds_them_all(soup: Dish) -> None:
    room = Room.objects.create(shop_id="corner", name="hall")
    seat = Seat.objects.create(shop_id="corner", number=1, room=room, waiter=None)
    assert guests.get("corner", room.pk) == Texts(texts=())
    Guest.objects.bulk_create([Guest(seat=seat, name="gus")], ignore_conflicts=True)
    assert guests.get("corner", room.pk) == Texts(texts=("gus",))


@pytest.mark.sql
def test_a_parent_is_asked_for_once(soup: Dish) -> None:
    with CaptureQueriesContext(connection) as queries:
        _create(soup, 20)
    assert sum(query["sql"].startswith("SELECT") for query in queries) == 1


@pytest.mark.sql
def test_a_key_made_of_a_primary_key_that_nobody_told_takes_its_organisations_others_with_it(
    tiers: str, soup: Dish, declare: type[Region[DishCopy]]
) -> None:
    review = declare(
        "review",
        DishCopy,
        load=_load,
        local_ttl=60,
        redis_ttl=60,
        fresh_on=[On(Review, org="dish__shop_id", parts=("pk",))],
    )
    _create(soup)
    coming = Review.objects.get().pk + 1
    assert review.get("corner", coming) is None
    _create(soup)
    assert Review.objects.filter(pk=coming).exists()
    assert review.get("corner", coming) is not None


@pytest.mark.sql
def test_an_organisation_that_nobody_told_is_refused_before_anything_is_kept(
    declare: type[Region[DishCopy]],
) -> None:
    declare("by_tag", DishCopy, load=_load, local_ttl=60, redis_ttl=60, fresh_on=[On(Guest, org="pk", parts=())])
    seat = Seat.objects.create(shop_id="corner", number=1, waiter=None)
    seat.tags.add(Tag.objects.create(text="window"))
    with pytest.raises(NotSupportedError, match="Nobody tells the primary keys"):
        Guest.objects.bulk_create([Guest(seat=seat, name="gus")], ignore_conflicts=True)
    assert not Guest.objects.exists()
