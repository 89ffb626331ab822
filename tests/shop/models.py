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
    kind = models.CharField(max_length=40, null=True)  # noqa: DJ001 -- a key part that may be absent

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


class Room(CachedModel):
    """A parent whose deletion sets its children's column to nothing."""

    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name


class Waiter(models.Model):
    """A parent that is not cached, whose deletion gives its children another one."""

    name = models.SlugField(primary_key=True)

    def __str__(self) -> str:
        return self.name


class HeadWaiter(Waiter):
    """The same with a second table."""

    bonus = models.IntegerField(default=0)


class Trainee(Waiter):
    """The same under another class."""

    class Meta:
        proxy = True


class Tag(models.Model):
    text = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.text


def substitute() -> str:
    """The waiter who stands in for one that is gone."""
    return "house"


class Seat(VersionedModel):
    """A child whose columns and relations Django changes without a signal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    number = models.IntegerField()
    room = models.ForeignKey(Room, on_delete=models.SET_NULL, null=True)
    waiter = models.ForeignKey(Waiter, on_delete=models.SET_DEFAULT, default="house", null=True)
    second = models.ForeignKey(Waiter, on_delete=models.SET(substitute), null=True, related_name="seconds")
    tags = models.ManyToManyField(Tag)
    neighbours = models.ManyToManyField("self")

    def __str__(self) -> str:
        return str(self.number)


class Guest(CachedModel):
    """Found by a key that its seat's row knows, not its own."""

    seat = models.ForeignKey(Seat, on_delete=models.CASCADE)
    name = models.CharField(max_length=20)

    def __str__(self) -> str:
        return self.name
