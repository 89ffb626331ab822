"""What another release may have changed; each is done in a process that is of that release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db import models

from caching import On, Region
from caching.registry import registry
from tests.shop import cached
from tests.shop.cached import ShopCopy
from tests.shop.models import Dish, Shop

__all__ = ["CHANGES", "new_column"]


class ShopWithRate(ShopCopy, frozen=True):
    """A field more."""

    rate: int


class ShopWithCode(ShopCopy, frozen=True):
    """A field of another type."""

    name: int  # type: ignore[assignment]


def _declare(snapshot: Any, load: Callable[..., Any] | None = None, **options: Any) -> None:
    old = cached.shop
    registry.remove(old)
    kept: dict[str, Any] = {"local_ttl": 300, "redis_ttl": 3600, "fresh_on": old.fresh_on}
    cached.shop = Region("shop", snapshot, load=load or old.loader, **{**kept, **options})


def _with_rate(org: str, *, using: str) -> ShopWithRate | None:
    row = Shop.objects.using(using).filter(pk=org).first()
    return row and ShopWithRate(slug=row.slug, name=row.name, rate=row.rate)


def _with_code(org: str, *, using: str) -> ShopWithCode | None:
    row = Shop.objects.using(using).filter(pk=org).first()
    return row and ShopWithCode(slug=row.slug, name=len(row.name))


def _in_capitals(org: str, *, using: str) -> ShopCopy | None:
    row = Shop.objects.using(using).filter(pk=org).first()
    return row and ShopCopy(slug=row.slug, name=row.name.upper())


def _on_dishes_too() -> None:
    _declare(ShopCopy, fresh_on=[*cached.shop.fresh_on, On(Dish, org="shop_id", parts=())])


def new_column() -> models.Field[Any, Any]:
    """Return the column that a migration adds to shops."""
    field: models.Field[Any, Any] = models.CharField(max_length=20, null=True)
    field.set_attributes_from_name("motto")
    return field


def _column() -> None:
    Shop.add_to_class("motto", new_column())


def _choices() -> None:
    Dish._meta.get_field("kind").choices = [("main", "Main"), ("side", "Side")]


#: By name; a process of the present release changes nothing.
CHANGES: Final[dict[str, Callable[[], None]]] = {
    "nothing": lambda: None,
    "a field of the snapshot": lambda: _declare(ShopWithRate, _with_rate),
    "the type of a field": lambda: _declare(ShopWithCode, _with_code),
    "what the loader makes": lambda: _declare(ShopCopy, _in_capitals, revision=1),
    "what makes it stale": _on_dishes_too,
    "a column of the model": _column,
    "choices of a model": _choices,
}
