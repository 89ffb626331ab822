"""A real mongod, which another program writes to: the next read after each write was followed is fresh."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pymongo import MongoClient
from pymongo.database import Database

from caching.around import mongodb
from caching.around.follower import Follower
from caching.around.mongodb import ChangeStream, install, remove, states
from caching.models import FollowedPosition
from caching.mongodb.base import DatabaseWrapper
from caching.transactions import atomic
from tests.caching.around.steps import follow_writes
from tests.caching.mongodb.conftest import ALIAS
from tests.servers.mongod import Mongod
from tests.shop.cached import dish, labels, menu, shop, tally
from tests.shop.models import Dish, Label, Shop

Follow = Callable[[int], None]


@pytest.fixture
def program(mongo: DatabaseWrapper, fresh_cache: None, mongod: Mongod) -> Iterator[Database]:
    """What another program has open."""
    for slug in ("corner", "rival"):
        Shop.objects.using(ALIAS).create(slug=slug, name="old")
    with MongoClient(mongod.url()) as client:
        yield client["shop"]
    remove(ALIAS)
    FollowedPosition.objects.using(ALIAS).all().delete()


def _follower() -> Follower:
    follower = Follower(ChangeStream(ALIAS), ALIAS)
    follower.step()
    return follower


@pytest.fixture
def follower(program: Database) -> Iterator[Follower]:
    install(ALIAS)
    follower = _follower()
    yield follower
    follower.close()


@pytest.fixture
def follow(follower: Follower) -> Follow:
    return partial(follow_writes, follower)


def _name(slug: str = "corner") -> str:
    copy = shop.get(slug, using=ALIAS)
    assert copy is not None
    return copy.name


def _menu(org: str) -> list[str]:
    return [each.name for each in menu.get(org, using=ALIAS).results]


def _count(org: str, kind: str) -> int:
    copy = tally.get(org, kind, using=ALIAS)
    assert copy is not None
    return copy.dishes


def _rename(program: Database, name: str) -> None:
    program["shop_shop"].update_many({"slug": "corner"}, {"$set": {"name": name}})


def test_an_update_makes_stale_its_row_and_no_other(tiers: str, program: Database, follow: Follow) -> None:
    assert (_name(), _name("rival")) == ("old", "old")
    _rename(program, "new")
    assert _name() == "old", "nobody has told the cache yet"
    follow(1)
    hits = shop.counters.local_hits
    assert _name("rival") == "old"
    assert shop.counters.local_hits == hits + 1
    assert _name() == "new"


@pytest.mark.parametrize("images", [True, False], ids=["images", "no images"])
def test_a_row_that_moves_changes_the_lists_of_both_parents(program: Database, follow: Follow, images: bool) -> None:
    if not images:
        remove(ALIAS)
    Dish.objects.using(ALIAS).create(shop_id="corner", name="old", kind="soup")
    follow(1)
    assert (_menu("corner"), _menu("rival"), _count("corner", "soup")) == (["old"], [], 1)
    program["shop_dish"].update_one({}, {"$set": {"shop_id": "rival"}})
    follow(1)
    assert (_menu("corner"), _menu("rival"), _count("corner", "soup")) == ([], ["old"], 0)
    assert _count("rival", "cake") == 0
    program["shop_dish"].update_one({}, {"$set": {"kind": "cake"}})
    follow(1)
    assert _count("rival", "cake") == 1


@pytest.mark.parametrize("images", [True, False], ids=["images", "no images"])
def test_a_deleted_row_is_gone_from_all_that_showed_it(program: Database, follow: Follow, images: bool) -> None:
    if not images:
        remove(ALIAS)
    pk = Dish.objects.using(ALIAS).create(shop_id="corner", name="old", kind="soup").pk
    program["shop_review"].insert_one({"id": 1, "dish_id": pk.hex, "stars": 3})
    follow(2)
    copy = dish.get("corner", pk, using=ALIAS)
    assert copy is not None
    assert copy.stars == 3
    program["shop_review"].delete_many({})
    follow(1)
    copy = dish.get("corner", pk, using=ALIAS)
    assert copy is not None
    assert copy.stars == 0
    assert _menu("corner") == ["old"]
    program["shop_dish"].delete_one({})
    follow(1)
    assert dish.get("corner", pk, using=ALIAS) is None
    assert _menu("corner") == []


def test_an_inserted_row_is_seen(program: Database, follow: Follow) -> None:
    assert _menu("corner") == []
    program["shop_dish"].insert_one(
        {"id": uuid4().hex, "version": 1, "shop_id": "corner", "name": "new", "kind": "soup"}
    )
    follow(1)
    assert _menu("corner") == ["new"]


def test_a_replaced_row_is_another_one(program: Database, follow: Follow) -> None:
    assert _name() == "old"
    program["shop_shop"].replace_one({"slug": "corner"}, {"slug": "renamed", "name": "new", "rate": 1})
    follow(1)
    assert shop.get("corner", using=ALIAS) is None
    assert _name("renamed") == "new"


def test_locks_of_our_own_are_no_writes(program: Database, follower: Follower, follow: Follow) -> None:
    with atomic(ALIAS):
        list(Shop.objects.using(ALIAS).select_for_update())
    _rename(program, "new")
    follow(1)


def test_a_dropped_collection_clears_what_depends_on_it(program: Database, follow: Follow) -> None:
    Label.objects.using(ALIAS).create(shop_id="corner", text="old")
    follow(1)
    assert labels.get("corner", using=ALIAS).texts == ("old",)
    program["shop_label"].rename("shop_legacy")
    follow(1)
    assert labels.get("corner", using=ALIAS).texts == ()
    program["shop_legacy"].rename("shop_label")


def test_what_was_written_while_nobody_followed_is_told_later(tiers: str, program: Database) -> None:
    install(ALIAS)
    first = _follower()
    first.step(0)
    first.close()
    assert (_name(), _name("rival")) == ("old", "old")
    _rename(program, "new")
    second = _follower()
    assert second.cleared == 0
    assert second.step(30) == 1
    second.close()
    hits = shop.counters.local_hits
    assert (_name(), _name("rival")) == ("new", "old")
    assert shop.counters.local_hits == hits + 1, "the other shop was not cleared"


@pytest.mark.parametrize("token", ['{"_data": "82"}', "not JSON"])
def test_a_position_that_the_server_does_not_know_clears(tiers: str, program: Database, token: str) -> None:
    install(ALIAS)
    assert _name() == "old"
    first = _follower()
    first.step(0)
    first.close()
    assert _name() == "old"
    FollowedPosition.objects.using(ALIAS).update(token=token)
    _rename(program, "new")
    second = _follower()
    second.close()
    assert second.cleared == 1
    assert _name() == "new"


def test_a_killed_server_is_followed_on_from_where_it_was(
    program: Database, follower: Follower, follow: Follow, mongod: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower.step(0)
    assert (_name(), follower.cleared) == ("old", 1)
    mongod.kill()
    try:
        with pytest.raises(DatabaseError):
            follower.step(1)
    finally:
        mongod.start()
    _rename(program, "new")
    assert _name() == "old"
    follower.step()
    assert follower.cleared == 1
    follow(1)
    assert _name() == "new"


def test_the_command_installs_shows_and_removes(program: Database) -> None:
    def said(*arguments: str) -> dict[str, str]:
        out = StringIO()
        call_command("follow_writes", "--database", ALIAS, "--json", *arguments, stdout=out)
        tables: dict[str, str] = json.loads(out.getvalue())["tables"]
        return tables

    with pytest.raises(CommandError, match="--install"):
        said()
    assert said("--install")["shop_dish"] == "installed"
    assert states(ALIAS)["shop_dish"] == "installed"
    assert said("--remove")["shop_dish"] == "missing"
    assert mongodb.source(ALIAS)
