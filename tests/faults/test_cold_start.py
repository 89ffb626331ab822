"""A Redis that comes back with nothing is filled again from the list of hot keys, and with what is true now."""

from __future__ import annotations

import msgspec
import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from caching.epochs import guard_names
from caching.hotkeys import HotKeys, hot_keys_load
from caching.runtime import runtime
from tests.caching.conftest import shops
from tests.caching.stepping import KEY
from tests.faults.waiting import eventually
from tests.servers.processes import Process
from tests.servers.tier import Lead, lead
from tests.shop.cached import dish, menu, shop
from tests.shop.models import Dish, Shop

__all__ = ["lead", "shops"]

pytestmark = pytest.mark.django_db(transaction=True)

VALUE = guard_names(KEY)[0]


@pytest.mark.usefixtures("shops")
def test_an_empty_redis_is_warmed_with_what_the_last_run_read_most(
    lead: Lead, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    corner = Shop.objects.create(slug="corner", name="old")
    soup = Dish.objects.create(shop=corner, name="soup")
    with Process() as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        lead(url, MARK_SECONDS=0.2)
        for _ in range(2):
            shop.get("corner"), menu.get("corner"), dish.get("corner", soup.pk)
        names = [("shop",), ("menu",), ("dish", soup.pk)]
        hits = {(region, "default", "corner", *parts): 9.0 for region, *parts in names}
        runtime.usage.observe(msgspec.structs.replace(runtime.activity.take(), hits=hits))
        assert HotKeys().write() == 3
        server.kill()
        corner.name = "new"
        corner.save()
        server.start()
        assert server.client.dbsize() == 0, "it should come back with nothing"

        # The processes of the site are started anew, too.
        lead(url, MARK_SECONDS=0.2)
        assert runtime.redis is not None
        assert runtime.relay is not None
        # First it is told what it was not told while it was away; what was written then is kept out for a moment more.
        runtime.relay.tick()
        assert hot_keys_load() == {"shop": 1, "menu": 1, "dish": 1}
        eventually(lambda: server.client.exists(VALUE) or not hot_keys_load())
        assert server.client.exists(VALUE)
        # Another process: nothing but Redis can answer it.
        lead(url)
        with django_assert_num_queries(0):
            found = shop.get("corner")
            served = dish.get("corner", soup.pk)
            assert menu.get("corner")
        assert found is not None
        assert served is not None
        assert (found.name, served.name) == ("new", "soup")
