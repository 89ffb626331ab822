"""What a button of the caches page did is said where it was pressed: what was there, what was loaded, why nothing."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from caching import invalidation
from caching.keys import Key
from caching.models import CacheEvent
from caching.runtime import runtime
from restaurant.profiles.models import User
from tests.caching.operators import CLEAR, VIEW, WARM, operator, shop_of
from tests.caching.stepping import forget_here
from tests.factories import BusinessProfileFactory
from tests.shop import cached
from tests.shop.models import Dish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shops")]

PAGE = "/admin/caching/cacheregion/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pressed(address: str, fields: dict[str, str]) -> str:
    """Return the words of the page that somebody sees who has pressed a button."""
    response = signed_in(operator(VIEW, CLEAR, WARM, "view_cacheevent")).post(PAGE + address, fields, follow=True)
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text)


# --- one key that is not there ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiers")
def test_a_mistyped_key_is_said_not_to_have_been_there_and_cleared_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop_of()
    mistyped, told = str(uuid4()), []
    monkeypatch.setattr(invalidation, "invalidate", told.extend)

    said = pressed("clear/", {"region": "dish", "org": "tea", "key": mistyped})

    assert "Nothing of that name was in the cache, " in said
    assert "Besides the organisation, a key of “Dish” is made of: dish id (UUID)." in said
    assert "Cleared one key" not in said
    assert CacheEvent.objects.get().action == "clear"
    assert Key("dish", "tea", [UUID(mistyped)]) in told


@pytest.mark.usefixtures("redis")
def test_a_key_that_redis_alone_has_is_cleared_and_was_there() -> None:
    dish = Dish.objects.create(shop=shop_of(), name="bun")
    cached.dish.get("tea", dish.pk)
    forget_here()

    said = pressed("clear/", {"region": "dish", "org": "tea", "key": str(dish.pk)})

    assert "Cleared one key of “Dish” of tea." in said
    assert "Nothing of that name" not in said


def test_a_list_is_found_though_its_items_are_not(redis: Any) -> None:
    Dish.objects.create(shop=shop_of(), name="bun")
    cached.menu.get("tea")
    forget_here()
    assert [redis.delete(name) for name in redis.keys("*:{tea}:dish:*")] == [1]

    assert "Cleared “Menu” of tea." in pressed("clear/", {"region": "menu", "org": "tea"})
    cached.menu.get("tea")
    assert "Nothing of that name" in pressed("clear/", {"region": "menu", "org": "tea", "key": "1"})


@pytest.mark.usefixtures("redis_down")
def test_nothing_is_claimed_of_a_key_while_redis_does_not_answer() -> None:
    shop_of()

    said = pressed("clear/", {"region": "dish", "org": "tea", "key": str(uuid4())})

    assert "Cleared one key of “Dish” of tea." in said
    assert "Nothing of that name" not in said
    assert "The clear is in the outbox" in said


@pytest.mark.parametrize(
    ("region", "made"),
    [("shop", "Shop organisation alone: leave the key empty"), ("dish", "Dish organisation / dish id (UUID)")],
)
def test_the_page_says_what_a_key_of_each_region_is_made_of(region: str, made: str) -> None:
    html = signed_in(operator(VIEW, CLEAR)).get(PAGE).content.decode()

    assert f'data-parts="{region}"' in html
    assert made in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("  ", " "))


def test_a_region_whose_keys_have_no_parts_says_so_of_a_key() -> None:
    shop_of()

    assert "a key of “Shop” has no parts: leave it empty." in pressed(
        "clear/", {"region": "shop", "org": "tea", "key": "1"}
    )


# --- how much was warmed ----------------------------------------------------------------------------------------------


def test_what_was_warmed_is_recorded_with_its_number_of_values() -> None:
    shop_of("tea")
    shop_of("cake")

    said = pressed("warm/", {"region": "shop"})

    assert "Warmed “Shop”: 2 values loaded." in said
    assert "warmed Shop: 2 values" in said
    assert CacheEvent.objects.get().loaded == 2


@pytest.mark.parametrize(
    ("fields", "said", "recorded"),
    [
        ({"region": "dish"}, "of “Dish”. The region declares nothing as hot.", "Dish: nothing, none declared as hot"),
        ({"region": "shop", "org": "tea"}, "of “Shop” of tea. The database has nothing", "Shop of tea: nothing"),
        (
            {"region": "dish", "org": "tea", "key": str(uuid4())},
            "of one key of “Dish” of tea. The database has no such row.",
            "Dish of tea, one key: nothing, no such row",
        ),
    ],
)
def test_a_warm_up_of_nothing_is_not_called_one(
    fields: dict[str, str], said: str, recorded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_of()
    monkeypatch.setattr(cached.shop, "warm_keys", lambda *_: ())

    page = pressed("warm/", fields)

    assert f"Nothing was warmed {said}" in page
    assert f"warmed {recorded}" in page
    assert "0 values" not in page


def test_the_records_have_the_number_of_values() -> None:
    CacheEvent.objects.create(action="warm", region="shop", loaded=1200)
    CacheEvent.objects.create(action="warm", region="shop", loaded=0)
    CacheEvent.objects.create(action="clear", region="shop")

    html = signed_in(operator("view_cacheevent")).get("/admin/caching/cacheevent/").content.decode()

    assert re.findall(r'<td class="field-values">([^<]*)</td>', html) == ["-", "nothing", "1,200 values"]


def test_the_cache_of_chosen_rows_of_which_nothing_is_hot_is_not_called_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = operator(WARM)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_businessprofile", "change_businessprofile"])
    )
    profile = BusinessProfileFactory()
    monkeypatch.setattr("caching.admin.cache_warm_rows", lambda **_: {"profile": 0})

    response = signed_in(user).post(
        "/admin/profiles/businessprofile/", {"action": "warm_cache", "_selected_action": [str(profile.pk)]}, follow=True
    )

    assert "Nothing was loaded into the cache. The database has nothing" in response.content.decode()


# --- back where the button was ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "codename"), [("clear", CLEAR), ("warm", WARM)])
def test_the_button_of_a_row_leads_back_to_itself_with_what_it_did(verb: str, codename: str) -> None:
    shop_of()
    client = signed_in(operator(VIEW, codename))

    response = client.post(f"{PAGE}{verb}/?scope=host", {"region": "shop", "row": "yes"})
    html = client.get(PAGE).content.decode()

    assert response["Location"] == f"{PAGE}?scope=host#{verb}-shop"
    assert f'id="{verb}-shop" aria-describedby="caches-said-shop"' in html
    assert re.search(r'<td colspan="11" id="caches-said-shop" class="success">(Cleared|Warmed) “Shop”', html)
    assert "caches-said-shop" not in client.get(PAGE).content.decode(), "said once"


@pytest.mark.usefixtures("redis_down")
def test_what_could_not_be_done_is_said_at_the_row_too() -> None:
    client = signed_in(operator(VIEW, WARM))

    response = client.post(f"{PAGE}warm/", {"region": "shop", "row": "yes"})

    assert response["Location"] == f"{PAGE}#warm-shop"
    assert 'id="caches-said-shop" class="error">Nothing was warmed' in client.get(PAGE).content.decode()
    assert runtime.redis is not None


# --- what is wrong stands at the field --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"org": "tee"}, "org"), ({"region": "shap"}, "region"), ({"key": "1"}, "key")],
)
def test_what_is_wrong_stands_at_the_field_and_belongs_to_it(fields: dict[str, str], field: str) -> None:
    html = signed_in(operator(VIEW, CLEAR)).post(PAGE + "clear/", fields).content.decode()

    of_field = html.partition(f'<label for="id_{field}"')[2].partition("<label")[0].partition("caches-buttons")[0]
    assert f'<ul class="errorlist" id="id_{field}_error">' in of_field
    assert f"id_{field}_error" in of_field.partition("aria-describedby=")[2].partition(">")[0]
