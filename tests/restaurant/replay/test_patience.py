"""A database that is away is waited for, for so long and no longer; whatever else is wrong is said at once."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connections

from restaurant.replay.patience import Patience


class Outage:
    """Fails until so many seconds have passed; its `pause` is how they pass."""

    def __init__(self, seconds: float, error: Exception) -> None:
        self.left, self.error = seconds, error
        self.passed = 0.0
        self.asked: list[bool] = []
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.passed += seconds

    def do(self, again: bool) -> str:
        self.asked.append(again)
        if self.passed < self.left:
            raise self.error
        return "done"


def patience(outage: Outage, seconds: float = 60) -> Patience:
    return Patience(seconds, outage.pause, now=lambda: 1000.0 + outage.passed)


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed"), DatabaseError("no primary")])
def test_an_outage_is_waited_for_with_longer_and_longer_pauses(error: Exception) -> None:
    outage = Outage(3, error)
    patient = patience(outage)

    assert patient.persist(outage.do) == "done"

    assert outage.asked == [False, True, True, True, True, True, True]
    assert outage.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1, 1])
    assert patient.waited == [type(error).__name__] * 6


def test_patience_has_an_end() -> None:
    outage = Outage(100, OperationalError("gone"))

    with pytest.raises(OperationalError, match="gone"):
        patience(outage, 5).persist(outage.do)
    assert outage.passed == pytest.approx(5)


def test_without_patience_nobody_waits() -> None:
    outage = Outage(1, OperationalError("gone"))

    with pytest.raises(OperationalError):
        patience(outage, 0).persist(outage.do)
    assert outage.pauses == []


def test_the_next_outage_is_waited_for_as_long_as_the_first() -> None:
    outage = Outage(4, OperationalError("gone"))
    patient = patience(outage, 5)
    patient.persist(outage.do)
    outage.left = outage.passed + 4

    assert patient.persist(outage.do) == "done"


@pytest.mark.parametrize("error", [IntegrityError("twice"), ValueError("no number")])
def test_what_is_no_outage_is_raised_at_once(error: Exception) -> None:
    outage = Outage(1, error)

    with pytest.raises(type(error)):
        patience(outage).persist(outage.do)
    assert outage.asked == [False]


def test_a_pause_may_end_it_all() -> None:
    class Stopped(Exception):
        pass

    def pause(_: float) -> None:
        raise Stopped

    outage = Outage(1, OperationalError("gone"))
    with pytest.raises(Stopped):
        Patience(60, pause).persist(outage.do)


@pytest.mark.django_db(transaction=True)
def test_the_broken_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the driver has a pool it is the driver's own; what was begun there ends in any case.
    used = connections["default"]
    closed: list[float] = []
    close = used.close
    monkeypatch.setattr(used, "close", lambda: (closed.append(outage.passed), close()))
    outage = Outage(0.1, OperationalError("gone"))

    patience(outage).persist(outage.do)

    assert closed == [0.0], "closed at once, before the pause"


def test_one_outage_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(3, OperationalError("secret of row 7"))
    patience(outage).persist(outage.do)

    assert [record.getMessage() for record in caplog.records] == ["The database is away: OperationalError"]
