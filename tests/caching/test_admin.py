"""The caches page and the actions, used as an operator would, by people with and without permission."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat
from django.test import Client

from caching.display import region_row
from caching.models import CacheEvent
from caching.reporting import cache_report
from caching.runtime import runtime
from orders.models import Order
from restaurant.profiles.cached import profile
from restaurant.profiles.models import BusinessProfile, User
from tests.caching.operators import CLEAR, VIEW, WARM, operator, rename_unnoticed, shop_of
from tests.factories import BusinessProfileFactory, OrderFactory, UserFactory
from tests.shop import cached
from tests.shop.models import Dish

pytestmark = pytest.mark.django_db

PAGE = "/admin/caching/cacheregion/"


def signed_in(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def words(response: Any) -> str:
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text)


def autofocused(response: Any) -> list[str]:
    """The ids of the fields at which the page opens."""
    fields = re.findall(r"<(?:input|select)[^>]*\bautofocus\b[^>]*>", response.content.decode())
    return [found.group(1) for each in fields if (found := re.search(r' id="([^"]+)"', each))]


class Fields(HTMLParser):
    """The texts of the page by the path that its script finds them under."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._path: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._path = dict(attrs).get("data-field")
        if self._path is not None:
            self.texts[self._path] = ""

    def handle_endtag(self, tag: str) -> None:
        self._path = None

    def handle_data(self, data: str) -> None:
        if self._path is not None:
            self.texts[self._path] += data


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("tiers")
def test_the_page_shows_exactly_the_statistics() -> None:
    shop_of()
    for _ in range(4):
        cached.shop.get("tea")
    report = cache_report(scope="fleet")

    fields = Fields(signed_in(operator(VIEW)).get(PAGE).content.decode()).texts

    for region in report.regions:
        row = region_row(region)
        for name in ("requests", "hit_rate", "local_hits", "redis_hits", "misses", "avg_miss", "entries", "memory"):
            assert fields[f"regions/{region.name}/{name}"] == row[name]
    assert fields["regions/shop/requests"] == "4"
    assert fields["total/requests"] == "4"
    assert fields["total/misses"] == "1"


def test_a_region_under_its_target_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached.shop, "target", 0.95)
    cached.shop.counters.misses = 3
    cached.shop.counters.evictions = 12

    response = signed_in(operator(VIEW)).get(PAGE)

    assert "0.00% below 95%" in words(response)
    assert "Evicted to make room 12" in words(response)
    assert "Redis is not configured" in words(response)


def test_with_redis_the_page_names_the_prefix_of_its_keys(redis: object) -> None:
    assert "Redis is configured, with keys under fa:" in words(signed_in(operator(VIEW)).get(PAGE))


@pytest.mark.parametrize("codenames", [(), (CLEAR, WARM)])
def test_without_the_permission_to_look_there_is_neither_page_nor_link(codenames: tuple[str, ...]) -> None:
    client = signed_in(operator(*codenames))

    assert PAGE not in client.get("/admin/").content.decode()
    assert [client.get(PAGE + each).status_code for each in ("", "live/", "history/", "organisations/")] == [403] * 4
    assert client.post(PAGE + "clear/", {"region": "shop"}).status_code == 403
    assert client.post(PAGE + "warm/", {"region": "shop"}).status_code == 403


@pytest.mark.parametrize(
    ("codenames", "buttons"),
    [((VIEW,), set()), ((VIEW, CLEAR), {"Clear"}), ((VIEW, WARM), {"Warm"}), ((VIEW, CLEAR, WARM), {"Clear", "Warm"})],
)
def test_there_is_a_button_only_for_what_one_may_do(codenames: tuple[str, ...], buttons: set[str]) -> None:
    client = signed_in(operator(*codenames))

    html = client.get(PAGE).content.decode()

    assert PAGE in client.get("/admin/").content.decode()
    assert set(re.findall(r'<button class="button"[^>]*>(\w+)</button>', html)) == buttons
    for button, codename in (("clear", CLEAR), ("warm", WARM)):
        allowed = codename in codenames
        assert client.post(f"{PAGE}{button}/", {"region": "shop"}).status_code == (302 if allowed else 403)
        assert CacheEvent.objects.filter(action=button).exists() is allowed


def test_a_stranger_is_asked_to_sign_in() -> None:
    response = Client().get(PAGE)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_the_buttons_need_a_post_with_a_csrf_token() -> None:
    user = operator(VIEW, CLEAR, WARM)

    for address in ("clear/", "warm/"):
        assert signed_in(user).get(PAGE + address).status_code == 405
        forged = signed_in(user, enforce_csrf_checks=True).post(PAGE + address, {"region": "shop"})
        assert forged.status_code == 403
    assert not CacheEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shops", "tiers")
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"region": "shop"}, "Cleared “Shop”."),
        ({"org": "tea"}, "Cleared all regions of tea."),
        ({"region": "shop", "org": "tea"}, "Cleared “Shop” of tea."),
        ({"confirmed": "yes"}, "Cleared all regions."),
    ],
)
def test_what_was_cleared_is_read_anew_and_who_did_it_is_shown(fields: dict[str, str], said: str) -> None:
    shop_of()
    cached.shop.get("tea")
    rename_unnoticed()
    user = operator(VIEW, CLEAR, username="maria")

    response = signed_in(user).post(PAGE + "clear/", fields, follow=True)

    assert said in words(response)
    assert "maria cleared" in words(response)
    assert cached.shop.get("tea") == cached.ShopCopy(slug="tea", name="new")
    assert CacheEvent.objects.get().user == user


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shops", "tiers")
def test_one_key_is_cleared_and_warmed_and_no_other() -> None:
    one, other = (Dish.objects.create(shop=shop_of(name), name=name) for name in ("tea", "cake"))
    for each in (one, other):
        cached.dish.get(each.shop_id, each.pk)
    QuerySet(Dish).update(name=Concat("name", Value("!")))
    client = signed_in(operator(VIEW, CLEAR, WARM))
    key = {"region": "dish", "org": "tea", "key": str(one.pk)}

    cleared = client.post(PAGE + "clear/", key, follow=True)
    warmed = client.post(PAGE + "warm/", key, follow=True)

    assert "Cleared one key of “Dish” of tea." in words(cleared)
    assert "Warmed one key of “Dish” of tea: 1 value loaded." in words(warmed)
    assert ("only the process that answered" in words(warmed)) is (runtime.redis is None)
    assert "in the outbox" not in words(cleared)
    copies = [cached.dish.get(each.shop_id, each.pk) for each in (one, other)]
    assert [copy and copy.name for copy in copies] == ["tea!", "cake"]
    assert set(CacheEvent.objects.values_list("action", "key")) == {
        (action, cached.dish.key("tea", one.pk).name) for action in ("clear", "warm")
    }


@pytest.mark.usefixtures("shops")
def test_a_key_that_the_region_cannot_have_is_told_beside_what_was_typed() -> None:
    shop_of()

    response = signed_in(operator(VIEW, WARM)).post(
        PAGE + "warm/", {"region": "dish", "org": "tea", "key": "no-such-uuid"}
    )

    assert "Region &#x27;dish&#x27; has no keys with such parts." in response.content.decode()
    assert 'value="no-such-uuid"' in response.content.decode()
    assert "Nothing was warmed. One key: Region" in words(response)
    assert autofocused(response) == ["id_key"]
    # Shown at the address of the button, which answers no GET.
    assert f'href="{PAGE}?scope=host"' in response.content.decode()


def test_whoever_looks_at_one_server_does_so_after_a_clear_too() -> None:
    client = signed_in(operator(VIEW, CLEAR))

    response = client.post(PAGE + "clear/?scope=host", {"region": "shop"})

    assert response["Location"] == PAGE + "?scope=host"


def test_clearing_everything_is_asked_back_first() -> None:
    response = signed_in(operator(VIEW, CLEAR)).post(PAGE + "clear/", {"region": "", "org": ""})

    assert "Clear everything?" in words(response)
    assert 'name="confirmed"' in response.content.decode()
    assert not CacheEvent.objects.exists()


@pytest.mark.usefixtures("shops")
def test_warming_a_shop_says_how_much_was_loaded() -> None:
    shop_of("tea")

    response = signed_in(operator(VIEW, WARM)).post(PAGE + "warm/", {"org": "tea"}, follow=True)

    assert "Warmed all regions of tea: " in words(response)
    assert "Without Redis only the process that answered holds the values." in words(response)
    assert cached.shop.counters.loads == 1


@pytest.mark.usefixtures("shops")
@pytest.mark.parametrize("address", ["clear/", "warm/"])
@pytest.mark.parametrize(
    ("fields", "message"),
    [({"org": "tee"}, "There is no organisation &#x27;tee&#x27;"), ({"region": "shap"}, "not one of the available")],
)
def test_a_wrong_name_is_told_beside_what_was_typed(address: str, fields: dict[str, str], message: str) -> None:
    response = signed_in(operator(VIEW, CLEAR, WARM)).post(PAGE + address, fields)

    assert response.status_code == 200
    assert message in response.content.decode()
    assert "org" not in fields or 'value="tee"' in response.content.decode()
    title = {"org": "Organisation", "region": "Region"}[next(iter(fields))]
    done = {"clear/": "cleared", "warm/": "warmed"}[address]
    top = response.content.decode().partition('id="content-main"')[0]
    assert f'<li class="error">Nothing was {done}. {title}: ' in top
    assert message in top
    assert autofocused(response) == [f"id_{next(iter(fields))}"]
    assert not CacheEvent.objects.exists()


@pytest.mark.usefixtures("redis_down")
def test_without_redis_nothing_is_warmed_and_the_page_says_so() -> None:
    response = signed_in(operator(VIEW, CLEAR, WARM)).post(PAGE + "warm/", {"region": "shop"}, follow=True)

    assert "Redis did not answer" in words(response)
    assert "Nothing yet." in words(response)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_down")
def test_without_redis_a_clear_waits_for_it_and_the_page_says_so() -> None:
    response = signed_in(operator(VIEW, CLEAR, WARM)).post(PAGE + "clear/", {"region": "shop"}, follow=True)

    assert "Redis is left alone: Redis did not answer" in words(response)
    assert "1 invalidation waits for Redis" in words(response)
    assert "The clear is in the outbox, and reaches other servers when Redis is back." in words(response)
    assert "cleared Shop" in words(response)


def test_records_are_found_and_never_changed() -> None:
    CacheEvent.objects.create(action="clear", region="shop", org_id="tea", user=operator(username="maria"))
    event = CacheEvent.objects.create(action="warm")
    client = signed_in(UserFactory(is_staff=True, is_superuser=True))
    page = "/admin/caching/cacheevent/"

    assert "cleared shop tea - - maria" in words(client.get(page, {"q": "maria"}))
    assert "warmed all all" in words(client.get(page, {"action": "warm"}))
    assert client.get(f"{page}{event.pk}/change/").status_code == 200
    assert client.get(f"{page}add/").status_code == 403
    assert client.post(f"{page}{event.pk}/change/", {"action": "clear"}).status_code == 403
    assert client.post(f"{page}{event.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_link_to_all_records_is_for_those_who_may_see_them() -> None:
    CacheEvent.objects.create(action="warm")

    assert "All records" not in words(signed_in(operator(VIEW)).get(PAGE))
    assert "All records" in words(signed_in(operator(VIEW, "view_cacheevent")).get(PAGE))


def test_no_page_looks_for_a_row_of_the_regions() -> None:
    page = admin.site._registry[next(model for model in admin.site._registry if model.__name__ == "CacheRegion")]
    request: Any = None

    assert [pattern.name for pattern in page.get_urls()] == [
        "caching_cacheregion_changelist",
        "caching_cacheregion_live",
        "caching_cacheregion_history",
        "caching_cacheregion_organisations",
        "caching_cacheregion_clear",
        "caching_cacheregion_warm",
    ]
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


# --- the actions on the pages of cached models ------------------------------------------------------------------------


def choose(action: str, *rows: Any) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(row.pk) for row in rows]}


def admin_of(*without: str) -> Client:
    """Return a client that may see profiles and orders, but not what is named."""
    user = operator(*({CLEAR, WARM} - set(without)))
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_businessprofile", "change_businessprofile", "view_order"])
    )
    return signed_in(user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("tiers")
def test_the_cached_copies_of_chosen_profiles_are_cleared() -> None:
    chosen, other = BusinessProfileFactory(name="old"), BusinessProfileFactory(name="old")
    for each in (chosen, other):
        profile.get(each.org_id)
    QuerySet(BusinessProfile).update(name="new")

    response = admin_of().post("/admin/profiles/businessprofile/", choose("clear_cached_copies", chosen), follow=True)

    assert "Cleared the cached copies of 1 business profile." in words(response)
    names = [copy and copy.name for copy in (profile.get(chosen.org_id), profile.get(other.org_id))]
    assert names == ["new", "old"]
    assert ("clear", "profile", chosen.org_id) in CacheEvent.objects.values_list("action", "region", "org_id")


@pytest.mark.django_db(transaction=True)
def test_the_cache_of_chosen_orders_is_warmed() -> None:
    order: Order = OrderFactory(lines=1)

    response = admin_of().post("/admin/orders/order/", choose("warm_cache", order), follow=True)

    assert re.search(r"Loaded [1-9]\d* values? into the cache\.", words(response))
    assert "Without Redis only the process that answered holds the values." in words(response)
    assert set(CacheEvent.objects.values_list("action", "org_id")) == {("warm", order.org_id)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_down")
def test_while_redis_is_away_clearing_copies_says_that_other_servers_hear_later() -> None:
    org = BusinessProfileFactory.build(org_id="tea")
    QuerySet(BusinessProfile).bulk_create([org])

    response = admin_of().post("/admin/profiles/businessprofile/", choose("clear_cached_copies", org), follow=True)

    assert "Cleared the cached copies of 1 business profile. Redis did not answer. The clear is in" in words(response)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_down")
def test_without_redis_an_action_that_needs_it_says_so() -> None:
    org = BusinessProfileFactory.build(org_id="tea")
    QuerySet(BusinessProfile).bulk_create([org])

    response = admin_of().post("/admin/profiles/businessprofile/", choose("warm_cache", org), follow=True)

    assert "Redis did not answer" in words(response)


def test_an_action_is_offered_only_to_those_who_may() -> None:
    OrderFactory()

    for without, offered in (
        ((), {"clear_cached_copies", "warm_cache"}),
        ((CLEAR,), {"warm_cache"}),
        ((CLEAR, WARM), set()),
    ):
        html = admin_of(*without).get("/admin/orders/order/").content.decode()
        assert set(re.findall(r'<option value="(clear_cached_copies|warm_cache)"', html)) == offered
