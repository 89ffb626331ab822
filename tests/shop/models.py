"""Models a user of the framework would write: cached, versioned, and one that is not cached itself."""

from __future__ import annotations

import uuid

from django.db import models

from caching.models import CachedModel, VersionedModel


class Shop(CachedModel):
    slug = models.SlugField(primary_key=True)
    name = models.CharField(max_length=50)
    rate = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class Dish(VersionedModel):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    name = models.CharField(max_length=50, unique=True)
    kind = models.CharField(max_length=20, null=True)  # noqa: DJ001 -- a key part that may be absent

    def __str__(self) -> str:
        return self.name


class Review(CachedModel):
    dish = models.ForeignKey(Dish, on_delete=models.CASCADE)
    stars = models.IntegerField()

    def __str__(self) -> str:
        return str(self.stars)


class Label(models.Model):
    """Not cached itself, but something cached depends on it."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    text = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.text


class SpecialDish(Dish):
    """A proxy: the same rows under another class."""

    class Meta:
        proxy = True
