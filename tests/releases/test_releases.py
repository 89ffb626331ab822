"""Processes of two releases side by side, as in a rolling deployment: no value for the other one, no write unseen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from tests.releases.changes import CHANGES, new_column
from tests.releases.conftest import Process, Start
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

AS_THEY_SEE = {"the type of a field": len, "what the loader makes": str.upper}
OTHERS = sorted(set(CHANGES) - {"nothing"})


@pytest.fixture(autouse=True)
def corner() -> Shop:
    return Shop.objects.create(slug="corner", name="old")


@pytest.fixture(autouse=True)
def migrated(request: pytest.FixtureRequest) -> Iterator[None]:
    """The table as the newer release's migration has made it, which comes before its processes."""
    if "a column of the model" not in request.node.name:
        yield
        return
    with connection.schema_editor() as editor:
        editor.add_field(Shop, new_column())
    yield
    with connection.schema_editor() as editor:
        editor.remove_field(Shop, new_column())


def read_anew(process: Process) -> object:
    """What the process reads with nothing in its local memory."""
    process.forget()
    return process.read("corner")


def counted(process: Process) -> tuple[int, int, int]:
    found = process.counters()
    return found["redis_hits"], found["loads"], found["rejected"]


HIT, LOADED, REJECTED = (1, 0, 0), (0, 1, 0), (0, 1, 1)


def test_processes_of_one_release_share_values(start: Start) -> None:
    """Or the next tests would prove nothing."""
    first, second = start(), start(host="two")
    assert first.fingerprint() == second.fingerprint()
    assert (first.read("corner"), counted(first)) == ("old", LOADED)
    assert (second.read("corner"), counted(second)) == ("old", HIT)


@pytest.mark.parametrize("change", OTHERS)
def test_neither_release_serves_the_others_values_and_each_sees_the_others_writes(start: Start, change: str) -> None:
    older, newer = start(), start(host="two", change=change)
    seen = AS_THEY_SEE.get(change, str)
    assert older.fingerprint() != newer.fingerprint()
    assert (older.read("corner"), counted(older)) == ("old", LOADED)
    assert (read_anew(newer), counted(newer)) == (seen("old"), REJECTED)
    # The newer one's lies there now, and so on for ever.
    assert (read_anew(newer), counted(newer)) == (seen("old"), HIT)
    assert (read_anew(older), counted(older)) == ("old", REJECTED)
    assert (read_anew(older), counted(older)) == ("old", HIT)
    # Both values were in Redis once; a write of either leaves none of them to either.
    for number, writer in enumerate((older, newer, older)):
        for filler in (older, newer):
            read_anew(filler)
            counted(filler)
            name = f"written {number}"
            writer.rename("corner", name)
            assert read_anew(older) == name
            assert read_anew(newer) == seen(name)
            assert counted(filler)[1] >= 1


@pytest.mark.parametrize("change", ["a field of the snapshot", "a column of the model"])
def test_on_one_host_a_write_of_either_release_makes_both_local_copies_stale_at_once(start: Start, change: str) -> None:
    older, newer = start(), start(change=change)
    for name, writer in (("first", older), ("second", newer)):
        assert older.read("corner") == newer.read("corner")
        older.counters(), newer.counters()
        older.read("corner"), newer.read("corner")
        assert (older.counters()["local_hits"], newer.counters()["local_hits"]) == (1, 1)
        writer.rename("corner", name)
        assert (older.read("corner"), newer.read("corner")) == (name, name)
