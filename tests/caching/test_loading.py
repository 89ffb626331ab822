"""What is loaded for nobody in particular: a refusal keeps nothing else away, and a database that is away is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from caching.keys import Key
from caching.loading import load_keys
from caching.runtime import runtime
from tests.caching.operators import shop_of
from tests.shop.cached import shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    load = shop.loader

    def choosy(org: str, *, using: str) -> Any:
        if org == "bad":
            raise ValueError("no such thing")
        return load(org, using=using)

    monkeypatch.setattr(shop, "_load", choosy)
    return [Key("shop", shop_of(slug).pk) for slug in ("tea", "bad", "cake")]


def test_what_the_loader_refuses_is_passed_over_and_the_others_are_kept(keys: list[Key], tiers: str) -> None:
    assert load_keys(keys) == 2

    local = runtime.local
    assert local is not None
    assert {key.org for key in keys if key.local in local.entries} == {"tea", "cake"}
    assert (shop.counters.misses, shop.counters.redis_hits) == (0, 0)


def test_warming_goes_on_past_what_cannot_be_loaded(keys: list[Key]) -> None:
    assert list(shop.warm()) == [2]


def test_a_database_that_is_away_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def away(org: str, *, using: str) -> Any:
        asked.append(org)
        raise OperationalError

    monkeypatch.setattr(shop, "_load", away)

    with pytest.raises(OperationalError):
        load_keys([Key("shop", "tea"), Key("shop", "cake")])

    assert len(asked) == 1
