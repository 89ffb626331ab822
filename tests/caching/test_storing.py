"""How a region's values lie in Redis: what is declared, overridden, and meant when nobody says anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching import Region
from caching.encryption import new_key
from caching.registry import registry
from tests.shop.cached import DishCopy


@pytest.fixture
def declare() -> Iterator[Callable[..., Region[Any]]]:
    declared: list[Region[Any]] = []

    def _declare(**options: Any) -> Region[Any]:
        declared.append(
            Region("stored", DishCopy, load=lambda org, *, using: None, local_ttl=1, redis_ttl=1, **options)
        )
        return declared[-1]

    yield _declare
    for region in declared:
        registry.remove(region)


def test_unless_somebody_says_so_large_values_are_compressed_and_none_is_encrypted(declare: Any) -> None:
    region = declare()
    assert (region.compress_above, region.encrypted) == (16 * 1024, False)


def test_with_keys_all_is_encrypted_and_nothing_compressed(declare: Any, settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "ENCRYPTION_KEYS": [new_key()]}
    region = declare()
    assert (region.compress_above, region.encrypted) == (None, True)


@pytest.mark.parametrize("keys", [[], [new_key()]], ids=["without keys", "with keys"])
def test_the_settings_count_before_the_declaration_and_that_before_the_defaults(
    declare: Any, settings: Settings, keys: Any
) -> None:
    settings.CACHING = {**settings.CACHING, "ENCRYPTION_KEYS": keys, "COMPRESS_ABOVE": 5}
    region = declare(compress_above=None, encrypted=True)
    assert (region.compress_above, region.encrypted) == (None, True)
    settings.CACHING = {**settings.CACHING, "REGIONS": {"stored": {"compress_above": 7, "encrypted": False}}}
    assert (region.compress_above, region.encrypted) == (7, False)
    settings.CACHING = {**settings.CACHING, "REGIONS": {"stored": {"compress_above": None, "encrypted": None}}}
    assert (region.compress_above, region.encrypted) == (None, bool(keys))
