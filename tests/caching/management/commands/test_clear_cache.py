"""`clear_cache` clears what it was told to, and nothing without being told."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from caching.models import CacheEvent, PendingInvalidation
from tests.caching.operators import rename_unnoticed, shop_of
from tests.shop import cached

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shops")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all"], "Cleared all cached copies."),
        (["--org", "tea"], "Cleared all cached copies of tea."),
        (["--region", "shop", "--region", "menu"], "Cleared shop, menu."),
        (["--region", "shop", "--org", "tea", "--org", "cake"], "Cleared shop of tea, cake."),
    ],
)
@pytest.mark.usefixtures("tiers")
def test_what_was_cleared_is_read_anew(arguments: list[str], said: str) -> None:
    shop_of("tea")
    shop_of("cake")
    cached.shop.get("tea")
    rename_unnoticed()
    out = StringIO()

    call_command("clear_cache", *arguments, stdout=out)

    assert cached.shop.get("tea") == cached.ShopCopy(slug="tea", name="new")
    assert out.getvalue() == said + "\n"
    assert set(CacheEvent.objects.values_list("action", "user")) == {("clear", None)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what to clear: --org ORG, --region R, or --all"),
        (["--all", "--org", "tea"], "leave out --org and --region"),
        (["--org", "tee"], "There is no organisation 'tee'"),
        (["--region", "shap"], "There is no cache region 'shap'"),
    ],
)
def test_a_wrong_call_clears_nothing(arguments: list[str], message: str) -> None:
    shop_of()
    cached.shop.get("tea")
    rename_unnoticed()

    with pytest.raises(CommandError, match=message) as caught:
        call_command("clear_cache", *arguments)

    assert caught.value.returncode == 1
    assert cached.shop.get("tea") == cached.ShopCopy(slug="tea", name="old")


@pytest.mark.usefixtures("named_shops")
def test_an_organisation_may_be_called_by_its_business_name() -> None:
    shop_of("tea", "The Tea Room")
    shop_of("cake", "Cake")
    out = StringIO()

    call_command("clear_cache", "--org", "the tea room", "--org", "tea", "--org", "CAKE", stdout=out)

    assert out.getvalue() == "Cleared all cached copies of tea, cake.\n"
    assert sorted(CacheEvent.objects.values_list("org_id", flat=True)) == ["cake", "tea"]


@pytest.mark.usefixtures("named_shops")
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (
            "tea ro",
            r"Several organisations are called like 'tea ro': tea2 \(Tea Room\), tea \(Tea Rooms\)\. Give an id",
        ),
        ("tea rom", r"There is no organisation 'tea rom'\. Did you mean tea2 \(Tea Room\), tea \(Tea Rooms\)\?"),
        ("", "There is no organisation ''"),
    ],
)
def test_if_one_organisation_is_not_known_nothing_is_cleared(typed: str, message: str) -> None:
    shop_of("tea", "Tea Rooms")
    shop_of("tea2", "Tea Room")
    shop_of("cake")
    cached.shop.get("cake")
    rename_unnoticed("cake")

    with pytest.raises(CommandError, match=message) as caught:
        call_command("clear_cache", "--org", "cake", "--org", typed)

    assert caught.value.returncode == 1
    assert cached.shop.get("cake") == cached.ShopCopy(slug="cake", name="old")
    assert not CacheEvent.objects.exists()


def test_a_region_that_is_named_twice_is_cleared_once() -> None:
    call_command("clear_cache", "--region", "shop", "--region", "shop", stdout=StringIO())
    assert CacheEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all"], {"regions": None, "orgs": None, "waiting": False}),
        (["--region", "shop", "--org", "tea"], {"regions": ["shop"], "orgs": ["tea"], "waiting": False}),
    ],
)
@pytest.mark.usefixtures("tiers")
def test_json_says_what_was_cleared(arguments: list[str], said: dict[str, object]) -> None:
    shop_of("tea")
    out = StringIO()
    call_command("clear_cache", *arguments, "--json", stdout=out)
    assert json.loads(out.getvalue()) == said
    assert CacheEvent.objects.count() == 1


@pytest.mark.usefixtures("redis_down")
def test_json_says_that_redis_has_not_heard() -> None:
    out = StringIO()
    call_command("clear_cache", "--all", "--json", stdout=out)
    assert json.loads(out.getvalue())["waiting"] is True


@pytest.mark.usefixtures("redis_down")
def test_without_redis_it_says_that_the_clear_is_in_the_outbox() -> None:
    out = StringIO()

    call_command("clear_cache", "--all", stdout=out)

    assert out.getvalue().splitlines() == [
        "Cleared all cached copies.",
        "Redis did not answer. The clear is in the outbox, and reaches other servers when Redis is back.",
    ]
    assert PendingInvalidation.objects.get().kind == "clear"
