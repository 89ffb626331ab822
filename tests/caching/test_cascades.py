"""Rows that change because a parent or a relation did: Django sends no signal for them, and the next read has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connections, transaction

from caching.keys import Key
from caching.transactions import dirty_keys
from tests.shop.cached import plan, seat, tagged
from tests.shop.everything import Everything
from tests.shop.models import Guest, HeadWaiter, Room, Seat, Shop, Tag, Trainee, Waiter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one() -> Seat:
    """The corner shop's seat 1, with a room, two waiters, a tag, a neighbour and a guest; seat 2 is the neighbour."""
    for slug in ("corner", "rival"):
        Shop.objects.create(slug=slug, name=slug)
    for name in ("house", "ann"):
        Waiter.objects.create(name=name)
    HeadWaiter.objects.create(name="bob")
    hall, _ = (Room.objects.create(shop_id="corner", name=name) for name in ("hall", "bar"))
    row = Seat.objects.create(shop_id="corner", number=1, room=hall, waiter_id="ann", second_id="bob")
    row.neighbours.add(Seat.objects.create(shop_id="corner", number=2))
    window, _ = (Tag.objects.create(text=text) for text in ("window", "sofa"))
    row.tags.add(window)
    Guest.objects.create(seat=row, name="gus")
    return row


def _two() -> Seat:
    return Seat.objects.get(number=2)


def _tag(text: str) -> Tag:
    return Tag.objects.get(text=text)


def _other_room(row: Seat) -> None:
    Seat.objects.filter(pk=row.pk).update(room=Room.objects.get(name="bar"))


def _promote(row: Seat) -> None:
    Seat.objects.filter(pk=row.pk).update(waiter="bob")


def _reseat(guest: Guest) -> Guest:
    guest.seat = _two()
    return guest


Write = Callable[[Seat], object]

WRITES: dict[str, Write] = {
    "SET_NULL": lambda one: one.room.delete(),
    "SET_NULL by a query set": lambda one: Room.objects.all().delete(),
    "SET_NULL by a cascade": lambda one: Shop.objects.get(pk="rival").delete(),
    "SET_DEFAULT": lambda one: one.waiter.delete(),
    "SET_DEFAULT by a query set": lambda one: Waiter.objects.filter(name="ann").delete(),
    "SET_DEFAULT by an heir": lambda one: HeadWaiter.objects.get().delete(),
    "SET_DEFAULT by the heir's parent": lambda one: Waiter.objects.get(pk="bob").delete(),
    "SET_DEFAULT by a proxy": lambda one: Trainee.objects.get(pk="ann").delete(),
    "SET(...)": lambda one: Waiter.objects.get(pk="bob").delete(),
    "a tag's deletion": lambda one: _tag("window").delete(),
    "tags' deletion": lambda one: Tag.objects.all().delete(),
    "a tagged row's deletion": lambda one: one.delete(),
    "a neighbour's deletion": lambda one: _two().delete(),
    "add": lambda one: one.tags.add(_tag("sofa")),
    "add of a primary key": lambda one: one.tags.add(_tag("sofa").pk),
    "create": lambda one: one.tags.create(text="warm"),
    "remove": lambda one: one.tags.remove(_tag("window")),
    "clear": lambda one: one.tags.clear(),
    "set": lambda one: one.tags.set([_tag("sofa")]),
    "set by clearing": lambda one: one.tags.set([_tag("sofa")], clear=True),
    "add from behind": lambda one: _tag("sofa").seat_set.add(one),
    "remove from behind": lambda one: _tag("window").seat_set.remove(one),
    "clear from behind": lambda one: _tag("window").seat_set.clear(),
    "set from behind": lambda one: _tag("window").seat_set.set([_two()]),
    "add to itself": lambda one: one.neighbours.add(Seat.objects.create(shop_id="corner", number=3)),
    "remove from itself": lambda one: one.neighbours.remove(_two()),
    "clear of itself": lambda one: _two().neighbours.clear(),
    "a row that a relation leads to": lambda one: Tag(pk=_tag("window").pk, text="draught").save(),
    "a column that neighbours show": lambda one: Seat.objects.filter(number=2).update(number=5),
    "a child's creation": lambda one: Guest.objects.create(seat=one, name="eve"),
    "an update to another parent": lambda one: Guest.objects.update(seat=_two()),
    "a save with another parent": lambda one: _reseat(Guest.objects.get()).save(),
    "a bulk_update to another parent": lambda one: Guest.objects.bulk_update([_reseat(Guest.objects.get())], ["seat"]),
    "a parent with another key": _other_room,
    "a parent that leaves its own": lambda one: one.room.seat_set.remove(one),
    "all that leave their parent": lambda one: one.room.seat_set.clear(),
    "a parent's new children": lambda one: one.room.seat_set.set([_two()]),
    "an update of two parents": lambda one: Seat.objects.update(waiter="bob", second=None),
}

#: What makes the write one of the kind that its name says.
BEFORE: dict[str, Write] = {
    "SET_NULL by a cascade": lambda one: Room.objects.update(shop="rival"),
    "SET_DEFAULT by an heir": _promote,
    "SET_DEFAULT by the heir's parent": _promote,
    **{name: lambda one: _other_room(_two()) for name in WRITES if name.endswith("to another parent")},
    "a save with another parent": lambda one: _other_room(_two()),
}


@pytest.mark.parametrize("name", WRITES)
def test_after_the_write_every_read_is_fresh(one: Seat, name: str) -> None:
    BEFORE.get(name, lambda one: None)(one)
    everything = Everything()
    before = everything.answers()
    WRITES[name](Seat.objects.get(pk=one.pk))
    assert everything.assert_fresh() != before, "a write that changes nothing would prove nothing"


@pytest.mark.parametrize("name", ["SET_NULL", "SET_DEFAULT", "a tag's deletion", "add", "set from behind", "clear"])
def test_a_write_that_is_rolled_back_leaves_every_read_right(tiers: str, one: Seat, name: str) -> None:
    everything = Everything()
    before = everything.answers()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        WRITES[name](Seat.objects.get(pk=one.pk))
        assert everything.assert_fresh() != before, "its own reads see it"
        raise ZeroDivisionError
    assert everything.assert_fresh() == before


@pytest.mark.parametrize(
    "delete", [lambda one: one.waiter.delete(), lambda one: one.room.delete(), lambda one: one.second.delete()]
)
def test_a_child_that_its_parents_deletion_changed_has_another_version(one: Seat, delete: Write) -> None:
    delete(one)
    assert Seat.objects.get(number=1).version != one.version


def test_a_relation_is_noted_before_the_commit(one: Seat) -> None:
    sofa = _tag("sofa")
    keys = {Key(tagged.name, "corner", (sofa.pk,)), Key(seat.name, "corner", (one.pk,)), Key(plan.name, "corner")}
    noted = []
    connection = connections["default"]
    with transaction.atomic():
        connection.run_on_commit.clear()
        one.tags.add(sofa)
        noted.append(dirty_keys("default", keys))
    assert noted == [keys]
