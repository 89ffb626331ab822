"""Regions of every kind: one row, many rows, a list of items, a figure, a depending model that is not cached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from caching import ListRegion, On, Refs, Region, Snapshot
from tests.shop.models import Dish, Label, Review, Shop


class ShopCopy(Snapshot, frozen=True):
    slug: str
    name: str


class DishCopy(Snapshot, frozen=True):
    id: UUID
    version: int
    name: str
    stars: int


class Tally(Snapshot, frozen=True):
    dishes: int
    rate: int


class Texts(Snapshot, frozen=True):
    texts: tuple[str, ...]


def _shop(org: str, *, using: str) -> ShopCopy | None:
    row = Shop.objects.using(using).filter(pk=org).first()
    return row and ShopCopy(slug=row.slug, name=row.name)


def _dishes(names: Sequence[tuple[str, UUID]], *, using: str) -> dict[tuple[str, UUID], DishCopy]:
    rows = Dish.objects.using(using).filter(pk__in=[pk for _, pk in names]).prefetch_related("review_set")
    return {
        (row.shop_id, row.pk): DishCopy(
            id=row.pk, version=row.version, name=row.name, stars=sum(review.stars for review in row.review_set.all())
        )
        for row in rows
    }


def _menu(org: str, *, using: str) -> Refs:
    rows = Dish.objects.using(using).filter(shop_id=org).order_by("name").values_list("pk", "version")
    return Refs(count=len(rows), items=tuple(rows))


def _tally(org: str, kind: str, *, using: str) -> Tally | None:
    shop = Shop.objects.using(using).filter(pk=org).first()
    return shop and Tally(dishes=Dish.objects.using(using).filter(shop=shop, kind=kind).count(), rate=shop.rate)


def _labels(org: str, *, using: str) -> Texts:
    return Texts(texts=tuple(Label.objects.using(using).filter(shop_id=org).values_list("text", flat=True)))


def _all_shops(orgs: Sequence[str] | None, using: str) -> Iterator[tuple[Any, ...]]:
    shops = Shop.objects.using(using) if orgs is None else Shop.objects.using(using).filter(pk__in=orgs)
    yield from shops.values_list("pk")


shop = Region(
    "shop",
    ShopCopy,
    load=_shop,
    local_ttl=300,
    redis_ttl=3600,
    fresh_on=[On(Shop, org="pk", parts=())],
    warm=_all_shops,
)
dish = Region(
    "dish",
    DishCopy,
    load_many=_dishes,
    local_ttl=120,
    redis_ttl=120,
    fresh_on=[
        On(Dish, org="shop_id", parts=("pk",)),
        On(Review, org="dish__shop_id", parts=("dish_id",)),
    ],
)
menu = ListRegion("menu", dish, load=_menu, local_ttl=120, redis_ttl=120, fresh_on=[On(Dish, org="shop_id", parts=())])
tally = Region(
    "tally",
    Tally,
    load=_tally,
    local_ttl=300,
    redis_ttl=300,
    fresh_on=[On(Dish, org="shop_id", parts=("kind",)), On(Shop, org="pk", fields=("rate",))],
)
labels = Region(
    "labels", Texts, load=_labels, local_ttl=300, redis_ttl=300, fresh_on=[On(Label, org="shop_id", parts=())]
)
