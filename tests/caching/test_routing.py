"""Where a router sends every read to a replica that lags, the cache and what decides about writes know the primary."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections, router, transaction
from django.db.models import Model, QuerySet
from pytest_django.fixtures import Settings

from caching import On, Region, Snapshot
from caching.audit import Judge, Verdict
from caching.keys import Key
from caching.operations import cache_clear, cache_clear_rows, cache_warm
from caching.organisations import organisations_meant
from caching.registry import registry
from caching.routing import reads_from
from caching.transactions import atomic
from tests.caching.operators import shop_of
from tests.replicas import REPLICA, Replica, ReplicaRouter, replica_opened
from tests.shop import cached
from tests.shop.everything import Everything
from tests.shop.models import Dish, Guest, Label, Review, Room, Seat, Shop, Tag, Waiter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def replica(tmp_path: Path, settings: Settings) -> Iterator[Replica]:
    """A shop of which the replica has everything, and all of it old."""
    with replica_opened(tmp_path / "replica.sqlite3") as opened:
        settings.DATABASE_ROUTERS = [ReplicaRouter()]
        _fill()
        opened.catch_up()
        _change()
        yield opened


def _fill() -> None:
    shop = Shop.objects.create(slug="corner", name="old", rate=1)
    dish = Dish.objects.create(shop=shop, name="old", kind="main")
    Review.objects.create(dish=dish, stars=1)
    Label.objects.create(shop=shop, text="old")
    house = Waiter.objects.create(name="house")
    room = Room.objects.create(shop=shop, name="old")
    seat = Seat.objects.create(shop=shop, number=1, room=room, waiter=house)
    seat.tags.add(Tag.objects.create(text="old"))
    Guest.objects.create(seat=seat, name="old")


def _change() -> None:
    shop, dish, seat = (model.objects.using("default").get() for model in (Shop, Dish, Seat))
    Shop.objects.update(name="new", rate=2)
    Dish.objects.update(name="new")
    Review.objects.create(dish=dish, stars=4)
    Dish.objects.create(shop=shop, name="second", kind="main")
    Label.objects.create(shop=shop, text="new")
    seat.tags.add(Tag.objects.create(text="new"))
    other = Seat.objects.create(shop=shop, number=2)
    seat.neighbours.add(other)
    Guest.objects.create(seat=seat, name="new")


def test_plain_reads_go_where_the_router_says() -> None:
    assert Shop.objects.get().name == "old"
    assert [dish.name for dish in Dish.objects.prefetch_related("review_set")] == ["old"]
    assert Shop.objects.using("default").get().name == "new"


def test_nothing_of_any_region_comes_from_the_replica(replica: Replica) -> None:
    everything = Everything(using="default")
    with replica.asked() as asked:
        everything.assert_fresh()

    assert [query["sql"] for query in asked] == []
    assert cached.shop.get("corner") == cached.ShopCopy(slug="corner", name="new")
    dish = Dish.objects.using("default").get(name="new")
    assert cached.dish.get("corner", dish.pk).stars == 5, "prefetched rows"
    seat = Seat.objects.using("default").get(number=1)
    copy = cached.seat.get("corner", seat.pk)
    assert (copy.tags, copy.neighbours) == (("new", "old"), (2,)), "many-to-many rows"


def _ahead() -> tuple[str, ...]:
    """What a seat leads to and can be prefetched: with MongoDB no relations of many to many."""
    return ("guest_set",) if connections["default"].vendor == "mongodb" else ("guest_set", "tags")


class Story(Snapshot, frozen=True):
    names: tuple[str, ...]


@pytest.fixture
def careless() -> Iterator[Region[Story]]:
    """A region whose loader names its database once at most, and follows relations in every way there is."""

    def load(org: str, *, using: str) -> Story:
        shop = Shop.objects.get(pk=org)
        stale = Shop(pk=org, name="made by hand")
        stale.refresh_from_db()
        given = Shop.objects.using(using).get(pk=org)
        given.refresh_from_db(fields=["name"])
        dish = Dish.objects.using(using).get(name="new")
        joined = Review.objects.select_related("dish__shop").get(stars=4)
        seat = Seat.objects.using(using).prefetch_related(*_ahead()).get(number=1)
        return Story(
            names=(
                shop.name,
                stale.name,
                given.name,
                dish.shop.name,
                joined.dish.shop.name,
                *sorted(tag.text for tag in seat.tags.all()),
                *sorted(guest.name for guest in seat.guest_set.all()),
                *sorted(str(review.stars) for review in dish.review_set.all()),
                *sorted(label.text for label in given.label_set.all()),
            )
        )

    region = Region("careless", Story, load=load, local_ttl=60, redis_ttl=60, fresh_on=[On(Shop, org="pk", parts=())])
    yield region
    registry.remove(region)


def test_related_rows_and_rows_read_anew_are_the_primary_s(careless: Region[Story], replica: Replica) -> None:
    with replica.asked() as asked:
        story = careless.get("corner")

    assert story == Story(names=("new", "new", "new", "new", "new", "new", "old", "new", "old", "1", "4", "new", "old"))
    assert len(asked) == 0


@pytest.mark.usefixtures("shops", "tiers")
def test_reads_around_the_cache_warming_and_the_auditor_ask_the_primary(
    careless: Region[Story], replica: Replica
) -> None:
    with replica.asked() as asked:
        assert careless.get("corner", use_cache=False).names[0] == "new"
        assert cache_warm(regions=["shop"], orgs=["corner"]) == {"shop": 1}
        careless.get("corner")
        judge = Judge()
        verdicts = [judge.look(Key(name, "corner")) for name in ("shop", "careless")]

    assert verdicts == [Verdict.CONSISTENT, Verdict.CONSISTENT]
    assert len(asked) == 0


async def test_coroutines_load_from_the_primary_too(replica: Replica) -> None:
    assert (await cached.shop.aget("corner")).name == "new"


@pytest.mark.usefixtures("named_shops")
def test_an_organisation_of_which_the_replica_has_not_heard_is_known() -> None:
    shop_of("young", "The Young Room")

    cache_clear(orgs=["young"])
    assert organisations_meant(["young", "young room"]) == ["young"]


def test_a_row_that_was_read_from_the_replica_makes_stale_what_the_primary_feeds() -> None:
    cached.shop.get("corner")
    shop = Shop.objects.get()
    assert shop._state.db == REPLICA

    shop.name = "newest"
    shop.save()

    assert cached.shop.get("corner").name == "newest"


def test_rows_that_an_operator_chose_on_the_replica_are_cleared_for_the_primary() -> None:
    cached.shop.get("corner")
    QuerySet(Shop, using="default").update(name="unnoticed")

    cache_clear_rows(rows=Shop.objects.filter(name="unnoticed"))

    assert cached.shop.get("corner").name == "unnoticed"


def test_in_a_transaction_of_ours_everything_is_read_where_it_is_written(replica: Replica) -> None:
    before = Seat.objects.get()
    with replica.asked() as asked, atomic():
        assert Shop.objects.get().name == "new"
        assert Dish.objects.count() == 2
        seat = Seat.objects.prefetch_related(*_ahead()).get(number=1)
        assert {tag.text for tag in seat.tags.all()} == {"old", "new"}
        assert before.tags.count() == 2, "of a row that was read before, from the replica"
        before.shop.refresh_from_db()
        assert before.shop.name == "new"
    assert len(asked) == 0
    assert Shop.objects.get().name == "old", "after it the router is asked again"


def test_a_transaction_that_fails_leaves_nothing_behind() -> None:
    with pytest.raises(ZeroDivisionError), atomic(), atomic():
        raise ZeroDivisionError
    assert Shop.objects.get().name == "old"


def test_transactions_that_are_not_ours_are_the_router_s() -> None:
    with transaction.atomic():
        assert Shop.objects.get().name == "old"


class Elsewhere(ReplicaRouter):
    """Labels have a primary of their own."""

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return "labels" if model is Label else "default"


def test_other_models_are_read_from_their_own_primary(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere()]
    with reads_from("default"):
        assert router.db_for_read(Label) == "labels"
        assert router.db_for_read(Shop) == "default"
        assert router.db_for_read(Label, instance=_of("labels")) == "labels"
    with reads_from("third"):
        assert router.db_for_read(Shop, instance=_of("third")) == "third", "what belongs to a row is where the row is"
        assert router.db_for_read(Shop, instance=_of(REPLICA)) == "default"
    assert router.db_for_read(Shop) == REPLICA


def _of(alias: str) -> Shop:
    shop = Shop()
    shop._state.db = alias
    return shop


def test_without_routers_none_is_added(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = []
    with reads_from("default"):
        assert router.routers == []
        assert router.db_for_read(Shop) == "default"


def test_it_stands_first_once_also_when_routers_change(settings: Settings) -> None:
    routers: Sequence[Any] = [ReplicaRouter(), Elsewhere()]
    settings.DATABASE_ROUTERS = routers
    for _ in range(3):
        with reads_from("default"):
            assert router.routers[1:] == routers


def test_a_load_whose_coroutine_was_cancelled_leaves_nothing_behind() -> None:
    begun, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def load() -> None:
        with reads_from("default"):
            begun.set()
            may_go_on.wait(60)
        ended.set()

    async def cancelled() -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        canceller = threading.Thread(target=lambda: begun.wait(60) and loop.call_soon_threadsafe(task.cancel))
        canceller.start()
        with pytest.raises(asyncio.CancelledError):
            await sync_to_async(load, thread_sensitive=False)()
        canceller.join()
        may_go_on.set()
        assert await asyncio.to_thread(ended.wait, 60)
        assert router.db_for_read(Shop) == REPLICA

    async_to_sync(cancelled)()

    assert router.db_for_read(Shop) == REPLICA
