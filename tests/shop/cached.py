"""Regions of every kind: one row, many rows, a list of items, a figure, a depending model that is not cached, and rows
that change without a signal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from caching import ListRegion, On, Refs, Region, Snapshot
from tests.shop.models import Dish, Guest, Label, Review, Seat, Shop, Tag


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


class SeatCopy(Snapshot, frozen=True):
    id: UUID
    version: int
    number: int
    room: str | None
    waiter: str | None
    second: str | None
    tags: tuple[str, ...]
    neighbours: tuple[int, ...]


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


def _seats(names: Sequence[tuple[str, UUID]], *, using: str) -> dict[tuple[str, UUID], SeatCopy]:
    rows = Seat.objects.using(using).filter(pk__in=[pk for _, pk in names])
    # Not every database prefetches relations of many to many.
    tags, neighbours = (_of_many(rows, path) for path in ("tags__text", "neighbours__number"))
    return {
        (row.shop_id, row.pk): SeatCopy(
            id=row.pk,
            version=row.version,
            number=row.number,
            # Text, for a key of any kind.
            room=None if row.room_id is None else str(row.room_id),
            waiter=row.waiter_id,
            second=row.second_id,
            tags=tuple(tags[row.pk]),
            neighbours=tuple(neighbours[row.pk]),
        )
        for row in rows
    }


def _of_many(rows: QuerySet[Seat], path: str) -> dict[UUID, list[Any]]:
    """Return what the path leads to from each of the rows, in order."""
    found: dict[UUID, list[Any]] = defaultdict(list)
    for pk, value in sorted(rows.filter(**{f"{path}__isnull": False}).values_list("pk", path)):
        found[pk].append(value)
    return found


def _plan(org: str, *, using: str) -> Refs:
    rows = Seat.objects.using(using).filter(shop_id=org).order_by("number").values_list("pk", "version")
    return Refs(count=len(rows), items=tuple(rows))


def _section(org: str, waiter: str, *, using: str) -> Texts:
    seats = Seat.objects.using(using).filter(shop_id=org, waiter_id=waiter).order_by("number")
    return Texts(texts=tuple(str(seat.number) for seat in seats))


def _tagged(org: str, tag: int, *, using: str) -> Texts:
    seats = Seat.objects.using(using).filter(shop_id=org, tags=tag).order_by("number")
    return Texts(texts=tuple(str(seat.number) for seat in seats))


def _guests(org: str, room: int, *, using: str) -> Texts:
    guests = Guest.objects.using(using).filter(seat__shop_id=org, seat__room_id=room)
    return Texts(texts=tuple(guests.order_by("name").values_list("name", flat=True)))


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
seat = Region(
    "seat",
    SeatCopy,
    load_many=_seats,
    local_ttl=120,
    redis_ttl=120,
    fresh_on=[
        On(Seat, org="shop_id", parts=("pk",)),
        On(Seat.tags.through, org="seat__shop_id", parts=("seat_id",)),
        On(Tag, org="seat__shop_id", parts=("seat__pk",)),
        On(Seat.neighbours.through, org="to_seat__shop_id", parts=("to_seat_id",)),
        On(Seat, org="neighbours__shop_id", parts=("neighbours__pk",), fields=("number",)),
    ],
)
plan = ListRegion("plan", seat, load=_plan, local_ttl=120, redis_ttl=120)
section = Region(
    "section",
    Texts,
    load=_section,
    local_ttl=120,
    redis_ttl=120,
    fresh_on=[On(Seat, org="shop_id", parts=("waiter_id",))],
)
tagged = Region(
    "tagged",
    Texts,
    load=_tagged,
    local_ttl=120,
    redis_ttl=120,
    fresh_on=[
        On(Seat.tags.through, org="seat__shop_id", parts=("tag_id",)),
        On(Seat, org="shop_id", parts=("tags__pk",), fields=("number",)),
    ],
)
guests = Region(
    "guests",
    Texts,
    load=_guests,
    local_ttl=120,
    redis_ttl=120,
    fresh_on=[
        On(Guest, org="seat__shop_id", parts=("seat__room_id",)),
        On(Seat, org="shop_id", parts=("room_id",)),
    ],
)
