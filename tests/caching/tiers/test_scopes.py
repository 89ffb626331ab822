"""Known epochs: found while no clear has changed their stamps, packed or not."""

from __future__ import annotations

import pytest

from caching.keys import Scope
from caching.stamps import Slots, Stamps
from caching.tiers import scopes
from caching.tiers.scopes import KnownEpochs, ScopeEpochs
from tests.conftest import MovableClock

UPPER = (b"everything", b"region", b"organisation 16b")


@pytest.fixture
def stamps(clock: MovableClock) -> Stamps:
    return Stamps(clock, shared=False)


@pytest.fixture(params=["as learnt", "packed"])
def known(request: pytest.FixtureRequest, stamps: Stamps, monkeypatch: pytest.MonkeyPatch) -> ScopeEpochs:
    if request.param == "packed":
        monkeypatch.setattr(scopes, "_MOST_UNPACKED", 0)
    return ScopeEpochs(stamps.values)


def scope(number: int) -> Scope:
    return Scope("profile", f"org {number}")


def epochs(stamps: Stamps, number: int, *, run_id: bytes = b"run", upper: tuple[bytes, ...] = UPPER) -> KnownEpochs:
    slots = Slots(1, 100 + number, 2)
    return KnownEpochs(run_id, (*upper[:-1], upper[-1] + b"%d" % number), slots, stamps.note(slots))


def told(found: KnownEpochs | None) -> tuple[object, ...] | None:
    return found and (found.run_id, found.upper, found.slots[1:], found.stamps[1:])


def test_what_was_learnt_of_each_scope_is_found(known: ScopeEpochs, stamps: Stamps) -> None:
    learnt = {number: epochs(stamps, number) for number in range(600)}
    for number, each in learnt.items():
        known.put(scope(number), each)

    assert all(told(known.get(scope(number))) == told(each) for number, each in learnt.items())
    # Those that are packed no more may be counted twice.
    assert 600 <= len(known) <= 600 + scopes._MOST_UNPACKED
    assert known.get(scope(600)) is None
    assert known.get(Scope("orders", "org 1")) is None


def test_nothing_is_known_at_first(known: ScopeEpochs) -> None:
    assert known.get(scope(1)) is None
    assert len(known) == 0


def test_a_clear_of_the_scope_or_of_the_region_is_noticed_and_no_other(known: ScopeEpochs, stamps: Stamps) -> None:
    for number in (1, 2):
        known.put(scope(number), epochs(stamps, number))

    stamps.bump([1])
    assert known.get(scope(1)) is not None
    stamps.bump([101])
    assert known.get(scope(1)) is None
    assert known.get(scope(2)) is not None
    stamps.bump([2])
    assert known.get(scope(2)) is None


def test_what_is_learnt_again_takes_the_place_of_what_was(known: ScopeEpochs, stamps: Stamps) -> None:
    for number in (1, 2):
        known.put(scope(number), epochs(stamps, number))

    after = epochs(stamps, 1, run_id=b"another", upper=(b"a", b"b", b"c"))
    known.put(scope(1), after)

    assert told(known.get(scope(1))) == told(after)
    assert told(known.get(scope(2))) == told(epochs(stamps, 2))
    assert len(known) == 2


def test_those_that_are_asked_for_often_are_not_packed_any_more(
    stamps: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, "_MOST_UNPACKED", 2)
    monkeypatch.setattr(scopes, "_FINDS_TO_UNPACK", 3)
    known = ScopeEpochs(stamps.values)
    for number in range(4):
        known.put(scope(number), epochs(stamps, number))
    assert list(known._unpacked) == [scope(2), scope(3)]

    for _ in range(3):
        assert told(known.get(scope(0))) == told(epochs(stamps, 0))

    assert list(known._unpacked) == [scope(3), scope(0)]
    assert all(told(known.get(scope(number))) == told(epochs(stamps, number)) for number in range(4))


def test_a_scope_whose_name_is_of_an_unusual_type_is_forgotten_sooner(
    stamps: Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Name(str):
        __slots__ = ()

    monkeypatch.setattr(scopes, "_MOST_UNPACKED", 1)
    known = ScopeEpochs(stamps.values)
    known.put(Scope("profile", Name("org 1")), epochs(stamps, 1))
    known.put(scope(2), epochs(stamps, 2))

    assert known.get(scope(1)) is None
    assert known.get(scope(2)) is not None


def test_when_numbers_run_out_what_is_packed_is_learnt_anew(stamps: Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "_MOST_UNPACKED", 0)
    monkeypatch.setattr(scopes, "_MOST_NUMBERS", 3)
    known = ScopeEpochs(stamps.values)
    for number in range(3):
        known.put(scope(number), epochs(stamps, number, run_id=b"%d" % number))
    assert len(known) == 3

    known.put(scope(3), epochs(stamps, 3, run_id=b"3"))

    assert told(known.get(scope(3))) == told(epochs(stamps, 3, run_id=b"3"))
    assert all(known.get(scope(number)) is None for number in range(3))
    assert len(known) == 1
