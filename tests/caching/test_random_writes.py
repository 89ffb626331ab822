"""Random writes of every kind, in random transactions: after each step the cache answers what the database does."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, NotSupportedError, connection, transaction
from django.db.models import Case, F, Model, QuerySet, Value, When

from tests.shop.everything import Everything
from tests.shop.models import (
    Dish,
    Guest,
    HeadWaiter,
    Label,
    Review,
    Room,
    Seat,
    Shop,
    SpecialDish,
    Tag,
    Trainee,
    Waiter,
)

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 25
SHOPS = ("corner", "rival")
WAITERS = ("house", "ann", "bob", "cat")
KINDS = ("starter", "main", None)
UUIDS = [UUID(int=number) for number in range(1, 5)]


class Writer:
    """Does something random to the shops, by one of the ways that Django has for it."""

    def __init__(self, chance: random.Random, done: list[str]) -> None:
        self.chance = chance
        self.done = done
        self.ways = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("do_")]

    def write(self) -> None:
        way = self.chance.choice(self.ways)
        self.done.append(way.__name__)
        way()

    # --- what there is to choose from ---------------------------------------------------------------------------------

    def some(self, model: type[Any]) -> Any:
        """Return one row; where there is none the write is given up."""
        rows = list(model.objects.order_by("pk"))
        if not rows:
            raise model.DoesNotExist
        return self.chance.choice(rows)

    def few(self, model: type[Any]) -> QuerySet[Any]:
        pks = list(model.objects.order_by("pk").values_list("pk", flat=True))
        return model.objects.filter(pk__in=self.chance.sample(pks, self.chance.randint(0, len(pks))))

    def shop(self) -> str:
        return self.chance.choice(SHOPS)

    def values(self, model: type[Model]) -> dict[str, Any]:
        """Return some of the columns that may be written, with random values."""
        number = self.chance.randint(1, 99)
        every: dict[type[Model], dict[str, Callable[[], Any]]] = {
            Shop: {"name": lambda: f"name {number}", "rate": lambda: number},
            Dish: {
                "shop_id": self.shop,
                "name": lambda: f"name {self.chance.random()}",
                "kind": lambda: self.chance.choice(KINDS),
            },
            Review: {"stars": lambda: number, "dish_id": lambda: self.some(Dish).pk},
            Label: {"text": lambda: f"text {number}", "shop_id": self.shop},
            Room: {"name": lambda: f"name {number}", "shop_id": self.shop},
            Seat: {
                "number": lambda: number,
                "shop_id": self.shop,
                "room_id": lambda: self.chance.choice([None, self.some(Room).pk]),
                "waiter_id": lambda: self.some(Waiter).pk,
                "second_id": lambda: self.chance.choice([None, self.some(Waiter).pk]),
            },
            Guest: {"name": lambda: f"name {number}", "seat_id": lambda: self.some(Seat).pk},
            Tag: {"text": lambda: f"text {number}"},
        }
        columns = every[model]
        chosen = self.chance.sample(sorted(columns), self.chance.randint(1, len(columns)))
        return {name: columns[name]() for name in chosen}

    def model(self) -> type[Any]:
        return self.chance.choice([Shop, Dish, Review, Room, Seat, Guest, Dish, Seat, Guest])

    # --- the ways -----------------------------------------------------------------------------------------------------

    def do_create(self) -> None:
        model = self.chance.choice([Shop, Dish, Review, Label, Room, Seat, Guest, Waiter, HeadWaiter, Tag])
        if model is Shop:
            Shop.objects.create(slug=self.shop(), name="new")
        elif model in (Waiter, HeadWaiter):
            model.objects.create(name=self.chance.choice(WAITERS))
        else:
            self.made(model).save(force_insert=True)

    def made(self, model: type[Any]) -> Any:
        row = model(**self.values(model))
        if model in (Dish, Seat):
            row.pk = self.chance.choice(UUIDS)
        for name, value in {"shop_id": self.shop, "dish_id": lambda: self.some(Dish).pk}.items():
            if hasattr(row, name) and getattr(row, name) is None:
                setattr(row, name, value())
        if model is Guest and row.seat_id is None:
            row.seat_id = self.some(Seat).pk
        if model in (Seat, Review) and getattr(row, "number", getattr(row, "stars", None)) is None:
            setattr(row, "number" if model is Seat else "stars", 7)
        return row

    def do_save(self) -> None:
        model = self.chance.choice([self.model(), Label, Tag])
        row = self.some(model)
        values = self.values(model)
        for name, value in values.items():
            setattr(row, name, value)
        row.save(**self.chance.choice([{}, {"update_fields": list(values)}]))

    def do_save_an_old_copy(self) -> None:
        model = self.model()
        old = self.some(model)
        model.objects.filter(pk=old.pk).update(**self.values(model))
        old.save()

    def do_save_what_was_made_by_hand(self) -> None:
        self.made(self.chance.choice([Dish, Seat])).save()

    def do_save_an_expression(self) -> None:
        row = self.some(Dish)
        row.kind = F("shop_id")
        row.save()

    def do_save_a_proxy(self) -> None:
        row = self.some(SpecialDish)
        row.kind = self.chance.choice(KINDS)
        row.save()

    def do_delete(self) -> None:
        self.some(self.chance.choice([self.model(), Label, Tag, Waiter, HeadWaiter, Trainee, SpecialDish])).delete()

    def do_delete_an_old_copy(self) -> None:
        model = self.model()
        old = self.some(model)
        model.objects.filter(pk=old.pk).update(**self.values(model))
        old.delete()

    def do_query_set_delete(self) -> None:
        self.few(self.chance.choice([self.model(), Label, Tag, Waiter, HeadWaiter, Trainee])).delete()

    def do_update(self) -> None:
        model = self.model()
        self.few(model).update(**self.values(model))

    def do_update_by_expressions(self) -> None:
        self.few(Dish).update(kind=Case(When(kind="main", then=Value("starter")), default=Value("main")))
        self.few(Seat).update(second=F("waiter"))

    def do_update_across_relations(self) -> None:
        Review.objects.filter(dish__shop=self.shop()).update(dish=self.some(Dish))
        Guest.objects.filter(seat__tags__isnull=False).update(seat=self.some(Seat))

    def do_update_or_create(self) -> None:
        model = self.chance.choice([Dish, Seat])
        row = self.made(model)
        fields = {field.attname: getattr(row, field.attname) for field in model._meta.concrete_fields}
        model.objects.update_or_create(pk=fields.pop("id"), defaults=fields)

    def do_bulk_create(self) -> None:
        model = self.chance.choice([Dish, Seat, Review, Guest])
        model.objects.bulk_create([self.made(model)], ignore_conflicts=self.chance.choice([True, False]))

    def do_upsert(self) -> None:
        Dish.objects.bulk_create([self.made(Dish)], update_conflicts=True, unique_fields=["pk"], update_fields=["name"])

    def do_bulk_update(self) -> None:
        model = self.model()
        values = self.values(model)
        rows = list(self.few(model))
        for row in rows:
            for name, value in values.items():
                setattr(row, name, value)
        model.objects.bulk_update(rows, [name.removesuffix("_id") for name in values])

    def do_children_of_a_parent(self) -> None:
        children = self.some(Room).seat_set
        way = self.chance.choice(["add", "set", "remove", "clear"])
        if way == "clear":
            children.clear()
        elif way == "remove":
            children.remove(*children.all()[:1])
        elif way == "add":
            children.add(*self.few(Seat))
        else:
            children.set(self.few(Seat))

    def do_relations(self) -> None:
        near, far = self.chance.choice([("tags", Tag), ("neighbours", Seat), ("seat_set", Seat)])
        relation = getattr(self.some(Tag if near == "seat_set" else Seat), near)
        way = self.chance.choice(["add", "set", "remove", "clear", "set by clearing"])
        if way == "clear":
            relation.clear()
        elif way == "set by clearing":
            relation.set(self.few(far), clear=True)
        elif way == "set":
            relation.set(self.few(far))
        else:
            getattr(relation, way)(*self.few(far))

    def do_create_through_a_relation(self) -> None:
        self.some(Seat).tags.create(text="made there")


class Lost(Exception):
    """A transaction that is to be rolled back."""


@contextmanager
def _given_up() -> Iterator[None]:
    """Let a write fail that the database refuses; its transaction is rolled back."""
    with suppress(IntegrityError, NotSupportedError, ObjectDoesNotExist, Lost):
        yield


def _fill(writer: Writer) -> None:
    for slug in SHOPS:
        Shop.objects.get_or_create(slug=slug, defaults={"name": slug})
    for name in WAITERS[:3]:
        Waiter.objects.get_or_create(name=name)
    for model in (Room, Tag):
        if model.objects.count() < 2:
            writer.made(model).save()


def _transaction(writer: Writer, chance: random.Random, everything: Everything) -> None:
    with transaction.atomic():
        for _ in range(chance.randint(1, 3)):
            with _given_up(), transaction.atomic():
                writer.write()
                if chance.random() < 0.2:
                    writer.done.append("savepoint rolled back")
                    raise Lost
            if connection.needs_rollback:
                # Where there are no savepoints.
                raise Lost
            if chance.random() < 0.2:
                everything.assert_fresh()
        if chance.random() < 0.2:
            writer.done.append("rolled back")
            raise Lost


def test_after_random_writes_every_read_is_fresh(tiers: str) -> None:
    seed = int(os.environ.get("SEED", secrets.randbits(32)))
    chance = random.Random(seed)
    done: list[str] = []
    try:
        for _ in range(int(os.environ.get("STEPS", STEPS))):
            _step(Writer(chance, done), chance)
    except Exception as error:
        error.add_note(f"seed {seed}, after {done[-5:]}")
        raise
    assert len(set(done)) > 10, "too little was written"


def _step(writer: Writer, chance: random.Random) -> None:
    _fill(writer)
    everything = Everything()
    everything.answers()
    with _given_up():
        if chance.random() < 0.4:
            writer.write()
        else:
            _transaction(writer, chance, everything)
    everything.assert_fresh()
