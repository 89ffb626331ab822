"""Operators with chosen permissions, and rows that change behind the cache's back."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import QuerySet

from restaurant.profiles.models import User
from tests.factories import UserFactory
from tests.shop.models import Shop

VIEW, CLEAR, WARM = "view_cacheregion", "clear_cacheregion", "warm_cacheregion"


def operator(*codenames: str, **fields: Any) -> User:
    """Return a new member of staff who has these permissions of the framework and no others."""
    user: User = UserFactory(is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="caching", codename__in=codenames))
    return user


def shop_of(slug: str = "tea", name: str = "old") -> Shop:
    """Return a new shop."""
    return Shop.objects.create(slug=slug, name=name)


def rename_unnoticed(slug: str = "tea", name: str = "new") -> None:
    """Rename the shop in a way that tells the cache nothing, as another program would."""
    QuerySet(Shop).filter(pk=slug).update(name=name)
