"""A busy database is asked again; any other failure, and a transaction already begun, are not."""

from unittest.mock import Mock

import pytest
from django.db import OperationalError, transaction

from restaurant.db import atomic, is_busy, retry_when_busy
from restaurant.profiles.models import User
from tests.factories import UserFactory

BUSY = OperationalError("database is locked")
BROKEN = OperationalError("disk I/O error")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr("restaurant.db.time.sleep", taken.append)
    return taken


@pytest.mark.django_db(transaction=True)
def test_a_write_succeeds_when_the_database_was_busy_twice(pauses: list[float]) -> None:
    service = Mock(side_effect=[BUSY, BUSY, "done"], __name__="service")
    assert retry_when_busy(service)(using="default") == "done"
    assert len(pauses) == 2


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_busy_is_reported_after_three_tries() -> None:
    service = Mock(side_effect=BUSY, __name__="service")
    with pytest.raises(OperationalError, match="locked"):
        retry_when_busy(service)()
    assert service.call_count == 3


@pytest.mark.django_db(transaction=True)
def test_another_failure_of_the_database_is_not_retried() -> None:
    service = Mock(side_effect=BROKEN, __name__="service")
    with pytest.raises(OperationalError, match="disk"):
        retry_when_busy(service)()
    assert service.call_count == 1


@pytest.mark.django_db
def test_a_service_inside_a_transaction_is_not_retried() -> None:
    service = Mock(side_effect=BUSY, __name__="service")
    with transaction.atomic(), pytest.raises(OperationalError, match="locked"):
        retry_when_busy(service)()
    assert service.call_count == 1


@pytest.mark.parametrize("text", ["database is locked", "database table is locked: orders"])
def test_the_words_of_a_busy_sqlite_are_known(text: str) -> None:
    assert is_busy(OperationalError(text))
    assert not is_busy(BROKEN)


@pytest.mark.parametrize(("state", "busy"), [("40001", True), ("40P01", True), ("55P03", True), ("57P01", False)])
def test_postgresql_says_by_a_code_that_it_is_busy_in_whatever_language(state: str, busy: bool) -> None:
    error = OperationalError("Verklemmung entdeckt")
    error.__cause__ = type("DriversError", (Exception,), {"sqlstate": state})()
    assert is_busy(error) is busy


@pytest.mark.django_db(transaction=True)
def test_what_fails_in_a_transaction_leaves_nothing() -> None:
    def service() -> None:
        with atomic():
            UserFactory()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        service()
    assert not User.objects.exists()
