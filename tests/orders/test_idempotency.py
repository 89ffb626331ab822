"""Requests that ask for the same have the same digest, all others another."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError

from orders.idempotency import idempotency_key_validate, request_fingerprint

ORDER = UUID(int=1)


def test_equal_requests_have_equal_fingerprints_however_written() -> None:
    one = request_fingerprint(order_id=ORDER, amount=Decimal("5.00"), lines=[(ORDER, 1, ())])
    assert one == request_fingerprint(lines=[(ORDER, 1, ())], amount=Decimal(5), order_id=ORDER)
    assert len(one) == 64


@pytest.mark.parametrize(
    "other", [{"amount": Decimal("5.01")}, {"amount": None}, {"amount": Decimal(5), "method": "card"}]
)
def test_a_request_that_asks_for_something_else_differs(other: dict[str, object]) -> None:
    assert request_fingerprint(amount=Decimal(5)) != request_fingerprint(**other)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    idempotency_key_validate("x" * 255)
    with pytest.raises(ValidationError, match="1 to 255"):
        idempotency_key_validate(key)
