"""What Redis learns of a restaurant's guests: with keys nothing, without keys no phone number by name."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from billing.cached import customer_balance
from caching.encryption import new_key
from caching.fleet import Fleet
from caching.keys import Key
from caching.runtime import runtime
from orders.cached import active_orders, order
from orders.statuses import Status
from tests.factories import CustomerFactory, LedgerEntryFactory, OrderFactory

pytestmark = pytest.mark.django_db(transaction=True)

PHONE, GUEST, STREET = "+447700900001", "Ada Lovelace", "12 St James's Square"


def everything(redis: Any) -> bytes:
    """All names, values and members that Redis holds."""
    found = []
    for name in redis.keys("*"):
        kind = redis.type(name)
        found += [name, redis.get(name) if kind == b"string" else b""]
        if kind == b"hash":
            found += [each for pair in redis.hgetall(name).items() for each in pair]
        elif kind == b"zset":
            found += redis.zrange(name, 0, -1)
    return b"\n".join(found)


@pytest.fixture
def read_all(redis: Any) -> Any:
    """Read all that tells of a guest, twice, and tell the fleet."""

    def _read_all() -> bytes:
        customer = CustomerFactory(phone=PHONE)
        LedgerEntryFactory(customer=customer)
        row = OrderFactory(
            org=customer.org,
            lines=2,
            status=Status.READY,
            customer_phone=PHONE,
            customer_name=GUEST,
            delivery_address=STREET,
        )
        for _ in range(2):
            assert customer_balance.get(customer.org_id, PHONE).phone == PHONE
            assert order.get(customer.org_id, row.pk).customer_name == GUEST
            assert active_orders.get(customer.org_id).count == 1
        runtime.usage.observe(runtime.activity.take())
        Fleet().lead()
        kept = everything(redis)
        assert Key("customer_balance", customer.org_id, (PHONE,)).name.encode() in kept
        return kept

    return _read_all


def test_with_keys_redis_holds_nothing_of_a_guest(read_all: Any, settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "ENCRYPTION_KEYS": [new_key()]}
    kept = read_all()
    for secret in (PHONE, PHONE[1:], GUEST, STREET):
        assert secret.encode() not in kept


def test_without_keys_no_name_of_a_key_and_no_figure_has_a_phone_number(read_all: Any, redis: Any) -> None:
    # Or the test above would prove nothing.
    assert GUEST.encode() in read_all()
    names = b"\n".join(redis.keys("*"))
    figures = b"\n".join(redis.hvals("fa:fleet"))
    assert b"customer_balance" in figures
    for text in (names, figures):
        assert PHONE[1:].encode() not in text
        assert GUEST.encode() not in text
