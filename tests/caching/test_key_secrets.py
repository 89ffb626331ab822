"""Users' text in names of keys is digested under a secret, and writers know a key by all its names."""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from caching import direct
from caching.key_secrets import agree, digest_under, secret_count, secret_ids
from caching.keys import Key, digest
from caching.marks import Clear, under_all_names
from tests.shop.cached import shop, tally
from tests.shop.models import Dish, Shop

PHONE = "+390612345678"
KEY = Key("customer_balance", "osteria", (PHONE,))


def configure(settings: Settings, *secrets: str) -> None:
    settings.CACHING = {**settings.CACHING, "KEY_SECRETS": list(secrets) or None}


def name_of(key: Key) -> str:
    return Key(key.region, key.org, key.parts, key.alias).name


def test_a_phone_number_is_not_found_by_digesting_all_of_them() -> None:
    own = KEY.name.rpartition(":s")[2]
    assert own != digest(PHONE)
    assert own != blake2b(PHONE.encode(), digest_size=16).hexdigest()
    assert own == digest_under(0, PHONE)


def test_with_another_secret_a_key_has_another_name(settings: Settings) -> None:
    names = {name_of(KEY)}
    configure(settings, "one")
    names.add(name_of(KEY))
    configure(settings, "two")
    names.add(name_of(KEY))
    configure(settings)
    settings.SECRET_KEY = "another"
    names.add(name_of(KEY))
    assert len(names) == 4


def test_a_secret_of_its_own_that_is_the_secret_key_changes_no_name(settings: Settings) -> None:
    settings.SECRET_KEY = "a secret"
    before = name_of(KEY)
    configure(settings, "a secret")
    settings.SECRET_KEY = "another"
    assert name_of(KEY) == before


def test_what_is_no_text_has_the_same_name_under_every_secret(settings: Settings) -> None:
    key, org = Key("order", "osteria", (UUID(int=5), 7)), Key("order", "Café", alias="archive")
    before = key.name, org.name
    configure(settings, "one", "two")
    assert (name_of(key), name_of(org)) == before
    assert list(under_all_names([key, org, org.scope, Clear(None, "Café")])) == [
        key,
        org,
        org.scope,
        Clear(None, "Café"),
    ]


def test_writers_know_a_key_by_its_name_under_each_secret(settings: Settings) -> None:
    names = []
    for secret in ("one", "two", "three"):
        configure(settings, secret)
        names.append(name_of(KEY))
    configure(settings, "one", "two", "three")
    key = Key("customer_balance", "osteria", (PHONE,))
    assert [each.name for each in under_all_names([key])] == names
    assert all(each == key for each in under_all_names([key]))


def test_secret_keys_that_are_being_changed_count_as_secrets(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old", "new"]
    assert secret_count() == 2
    before = [each.name for each in under_all_names([Key("customer_balance", "osteria", (PHONE,))])]
    configure(settings, "new", "old")
    assert [each.name for each in under_all_names([Key("customer_balance", "osteria", (PHONE,))])] == before


def test_the_id_of_a_secret_is_neither_it_nor_a_digest_of_names(settings: Settings) -> None:
    configure(settings, "one", "two")
    first, second = secret_ids()
    assert first != second
    assert all(len(each) == 12 for each in (first, second))
    assert first not in digest_under(0, "")


@given(st.lists(st.sampled_from("abc"), unique=True), st.lists(st.sampled_from("abc"), unique=True))
def test_processes_agree_when_each_marks_what_the_other_reads(ours: list[str], theirs: list[str]) -> None:
    assert agree(ours, theirs) == agree(theirs, ours)
    assert agree(ours, ours)
    if ours and theirs:
        assert agree(ours, theirs) == (set(ours[:1] + theirs[:1]) <= set(ours) & set(theirs))


@pytest.mark.django_db(transaction=True)
def test_a_write_is_counted_once_however_many_names_it_has(redis: object, settings: Settings) -> None:
    configure(settings, "one", "two", "three")
    Shop.objects.create(slug="corner", name="corner")
    tally.counters.reset()
    Dish.objects.create(shop_id="corner", kind="soup", name="soup")
    assert tally.counters.invalidations == 1


@pytest.mark.django_db(transaction=True)
def test_names_that_were_made_before_the_settings_changed_are_made_anew(redis: object, settings: Settings) -> None:
    route = direct._route("fa:", ("tally", "default", "corner", "soup"))
    configure(settings, "another secret")
    assert direct._route("fa:", ("tally", "default", "corner", "soup")).name != route.name
    assert shop.get("nowhere") is None
