"""Idempotency keys are read strictly: one that is cut off or garbled would repeat what it should not."""

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from restaurant.api.idempotency import idempotency_key_optional, idempotency_key_required, replayed_headers


def _request(key: str | None) -> Request:
    return Request(APIRequestFactory().post("/", headers={} if key is None else {"Idempotency-Key": key}))


@pytest.mark.parametrize("key", ["k", "8e03978e-40d5-43dd-bc93-6894a57f9324", "x" * 255])
def test_a_key_is_taken_as_it_is(key: str) -> None:
    assert idempotency_key_required(_request(key)) == idempotency_key_optional(_request(key)) == key


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        idempotency_key_optional(_request(key))
    assert "Idempotency-Key" in refusal.value.detail


def test_a_missing_key_is_refused_where_it_is_required_and_nowhere_else() -> None:
    assert idempotency_key_optional(_request(None)) is None
    with pytest.raises(ValidationError, match="UUID"):
        idempotency_key_required(_request(None))


def test_only_a_repetition_is_announced() -> None:
    assert replayed_headers(is_new=True) == {}
    assert replayed_headers(is_new=False) == {"Idempotency-Replayed": "true"}
