"""The class that reads orders, bills and balances, called as its users call it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F, QuerySet
from pytest_django import DjangoAssertNumQueries

from billing.models import Customer, LedgerEntry
from billing.services import customer_update, ledger_append, order_pay
from orders.models import Order
from orders.services import LineDraft, order_change_status, order_create, order_update
from orders.statuses import Status
from restaurant.fast_access import get_order_fast_access_cache
from restaurant.profiles.services import profile_update
from tests.factories import CustomerFactory, LedgerEntryFactory, MenuItemFactory, OrderFactory, OrderLineFactory
from tests.freshness import assert_hit

pytestmark = pytest.mark.django_db(transaction=True)

cache = get_order_fast_access_cache()

PHONE = "+447700900001"
OTHER_PHONE = "+447700900002"


@pytest.fixture
def ready() -> Order:
    """An order of 20.00 plus 20 % tax, ready, of a customer who owes 10.00."""
    row = OrderFactory(lines=2, status=Status.READY, customer_phone=PHONE)
    LedgerEntryFactory(customer=CustomerFactory(org=row.org, phone=PHONE))
    return row


def reads_of(row: Order) -> dict[str, Callable[[], Any]]:
    """Return every read that shows something of the order or of its customer."""
    org = row.org_id
    return {
        "active": lambda: cache.get_active_orders(org),
        "by status": lambda: cache.get_orders_by_status(org, "ready"),
        "one": lambda: cache.get_order_by_id(row.pk, org),
        "page": lambda: cache.get_orders_paginated(org, 1, 20),
        "bill": lambda: cache.calculate_bill_total(org, row.pk),
        "summary": lambda: cache.get_billing_summary(org, row.placed_on),
        "balance": lambda: cache.get_customer_balance(org, PHONE),
    }


def _create(row: Order) -> None:
    order_create(org_id=row.org_id, lines=[LineDraft(MenuItemFactory(org=row.org).pk)], service="takeaway")


def _update_lines(row: Order) -> None:
    item = MenuItemFactory(org=row.org)
    order_update(org_id=row.org_id, order_id=row.pk, lines_added=[LineDraft(item.pk)])


def _change_status(row: Order) -> None:
    order_change_status(org_id=row.org_id, order_id=row.pk, status="served")


def _pay(row: Order) -> None:
    order_pay(org_id=row.org_id, order_id=row.pk, method="account", idempotency_key="pay", at=row.placed_at)


def _tax(row: Order) -> None:
    profile_update(org_id=row.org_id, updates={"tax_rate": Decimal(10)})


def _currency(row: Order) -> None:
    profile_update(org_id=row.org_id, updates={"currency": "EUR"})


def _customer_transaction(row: Order) -> None:
    ledger_append(
        org_id=row.org_id,
        customer_id=Customer.objects.get(phone=PHONE).pk,
        kind=LedgerEntry.Kind.PAYMENT,
        amount=Decimal(-10),
        idempotency_key="paid",
    )


def _customer_phone(row: Order) -> None:
    customer = Customer.objects.get(phone=PHONE)
    customer_update(org_id=row.org_id, customer_id=customer.pk, changes={"phone": OTHER_PHONE})


class TestEvents:
    @pytest.mark.parametrize(
        ("event", "changed"),
        [
            # A dish more for another guest; it was not ordered on the day of the first order, so no summary changes.
            (_create, {"active", "page"}),
            (_update_lines, {"active", "by status", "one", "page", "bill"}),
            (_change_status, {"active", "by status", "one", "page", "summary"}),
            (_pay, {"active", "by status", "one", "page", "summary", "balance"}),
            (_tax, {"bill"}),
            (_currency, {"active", "by status", "one", "page", "summary", "balance"}),
            (_customer_transaction, {"balance"}),
            # Unfinished orders follow the customer to the new number.
            (_customer_phone, {"active", "by status", "one", "page", "balance"}),
        ],
    )
    def test_after_an_event_everything_it_changes_is_read_anew(
        self, tiers: str, ready: Order, event: Callable[[Order], None], changed: set[str]
    ) -> None:
        reads = reads_of(ready)
        before = {name: read() for name, read in reads.items()}
        assert {name: assert_hit(read) for name, read in reads.items()} == before
        event(ready)
        after = {name: read() for name, read in reads.items()}
        assert {name for name in reads if after[name] != before[name]} == changed
        cache.clear_all()
        assert {name: read() for name, read in reads.items()} == after

    def test_a_changed_phone_number_moves_the_balance(self, tiers: str, ready: Order) -> None:
        org = ready.org_id
        assert cache.get_customer_balance(org, OTHER_PHONE) is None
        owed = cache.get_customer_balance(org, PHONE)
        _customer_phone(ready)
        assert cache.get_customer_balance(org, PHONE) is None
        moved = cache.get_customer_balance(org, OTHER_PHONE)
        assert owed is not None
        assert moved is not None
        assert (moved.balance, moved.customer_id) == (owed.balance, owed.customer_id)


class TestReading:
    def test_there_is_one_cache(self) -> None:
        assert get_order_fast_access_cache() is cache

    def test_the_specifications_bill_comes_out_exactly(self) -> None:
        row = OrderFactory(org__tax_rate=Decimal(17), discount=Decimal("50.00"))
        OrderLineFactory(order=row, quantity=10, unit_price=Decimal("100.00"))
        bill = cache.calculate_bill_total(row.org_id, str(row.pk))
        assert bill is not None
        assert [str(part) for part in (bill.subtotal, bill.discount, bill.tax, bill.total)] == [
            "1000.00",
            "50.00",
            "170.00",
            "1120.00",
        ]

    def test_without_the_cache_the_database_is_read_and_nothing_kept(
        self, tiers: str, ready: Order, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        org = ready.org_id
        for _ in range(2):
            with django_assert_num_queries(3):
                assert [each.id for each in cache.get_active_orders(org, use_cache=False)] == [ready.pk]
        with django_assert_num_queries(3):
            cache.get_active_orders(org)
        assert_hit(lambda: cache.get_active_orders(org))

    def test_another_organisations_order_is_not_found(self, ready: Order) -> None:
        other = OrderFactory()
        assert cache.get_order_by_id(ready.pk, other.org_id) is None
        assert cache.calculate_bill_total(other.org_id, ready.pk) is None
        assert cache.get_order_by_id(uuid4(), ready.org_id) is None

    def test_an_unknown_organisation_has_nothing(self, ready: Order) -> None:
        assert cache.get_active_orders("nowhere") == ()
        assert cache.get_orders_by_status("nowhere", "paid") == ()
        assert cache.get_orders_paginated("nowhere").count == 0
        assert cache.get_billing_summary("nowhere") is None
        assert cache.get_customer_balance("nowhere", PHONE) is None

    def test_arguments_that_make_no_sense_are_refused(self, ready: Order) -> None:
        org = ready.org_id
        with pytest.raises(ValueError, match="no such status"):
            cache.get_orders_by_status(org, "lost")
        with pytest.raises(ValueError, match="is a UUID"):
            cache.get_order_by_id("17", org)
        with pytest.raises(ValueError, match="numbered from 1"):
            cache.get_orders_paginated(org, 0)
        with pytest.raises(ValueError, match="not a phone number"):
            cache.get_customer_balance(org, "nonsense")


def write_around_django(row: Order) -> None:
    """Change the order's and its ledger's rows as another program would, which no cache hears of."""
    QuerySet(Order).filter(pk=row.pk).update(discount=F("discount") + 1)
    QuerySet(LedgerEntry).filter(org_id=row.org_id).update(amount=F("amount") + 1)


class TestOperation:
    @pytest.mark.parametrize(
        ("invalidate", "changed"),
        [
            (lambda row: cache.invalidate_order_cache(row.org_id), {"active", "by status", "one", "page"}),
            (lambda row: cache.invalidate_order_cache(row.org_id, row.pk), {"active", "by status", "one", "page"}),
            (lambda row: cache.invalidate_order_cache(row.org_id, uuid4()), set()),
            (lambda row: cache.invalidate_billing_cache(row.org_id), {"bill"}),
            (lambda row: cache.invalidate_customer_balance(row.org_id, "07700 900001"), {"balance"}),
            (lambda _: cache.invalidate_customer_balance("nowhere", "07700 900001"), set()),
            (lambda _: cache.clear_all(), {"active", "by status", "one", "page", "bill", "balance"}),
        ],
    )
    def test_changes_made_around_django_show_once_invalidated(
        self, tiers: str, ready: Order, invalidate: Callable[[Order], None], changed: set[str]
    ) -> None:
        reads = reads_of(ready)
        before = {name: read() for name, read in reads.items()}
        write_around_django(ready)
        invalidate(ready)
        after = {name: read() for name, read in reads.items()}
        assert {name for name in reads if after[name] != before[name]} == changed

    def test_statistics_stand_apart_for_orders_billing_and_balances(self, ready: Order) -> None:
        for read in reads_of(ready).values():
            read()
            read()
        stats = cache.get_cache_stats()
        assert list(stats) == ["order_cache", "billing_cache", "balance_cache"]
        requests = {name: (each["total_requests"], each["hit_rate"]) for name, each in stats.items()}
        # The lists had brought the single order along.
        assert requests == {
            "order_cache": (8, "62.50%"),
            "billing_cache": (4, "50.00%"),
            "balance_cache": (2, "50.00%"),
        }


class TestCoroutines:
    async def test_every_read_has_a_twin_that_returns_the_same(self, tiers: str) -> None:
        row = await sync_to_async(OrderFactory)(lines=2, status=Status.READY, customer_phone=PHONE)
        await sync_to_async(LedgerEntryFactory)(customer__org=row.org, customer__phone=PHONE)
        org, read = row.org_id, sync_to_async
        assert await cache.aget_active_orders(org) == await read(cache.get_active_orders)(org)
        assert await cache.aget_active_orders(org, use_cache=False) == await cache.aget_active_orders(org)
        assert await cache.aget_orders_by_status(org, "ready") == await cache.aget_active_orders(org)
        assert await cache.aget_order_by_id(row.pk, org) == (await cache.aget_active_orders(org))[0]
        assert (await cache.aget_orders_paginated(org, 1, 5)).results == await cache.aget_active_orders(org)
        assert await cache.acalculate_bill_total(org, row.pk) == await read(cache.calculate_bill_total)(org, row.pk)
        assert await cache.aget_billing_summary(org) == await read(cache.get_billing_summary)(org)
        balance = await cache.aget_customer_balance(org, "07700 900001")
        assert balance is not None
        assert balance == await read(cache.get_customer_balance)(org, PHONE)

    async def test_every_invalidation_has_a_twin_that_does_the_same(self, tiers: str) -> None:
        row = await sync_to_async(OrderFactory)(lines=2, status=Status.READY)
        await sync_to_async(LedgerEntryFactory)(customer__org=row.org, customer__phone=PHONE)
        org = row.org_id

        async def seen() -> tuple[Any, Any, Any]:
            one = await cache.aget_order_by_id(row.pk, org)
            bill = await cache.acalculate_bill_total(org, row.pk)
            balance = await cache.aget_customer_balance(org, PHONE)
            assert one is not None
            assert bill is not None
            assert balance is not None
            return int(one.discount), int(bill.discount), int(balance.balance)

        assert await seen() == (0, 0, 10)
        await sync_to_async(write_around_django)(row)
        assert await seen() == (0, 0, 10)
        await cache.ainvalidate_order_cache(org, row.pk)
        assert await seen() == (1, 0, 10)
        await cache.ainvalidate_billing_cache(org)
        assert await seen() == (1, 1, 10)
        await cache.ainvalidate_customer_balance(org, PHONE)
        assert await seen() == (1, 1, 11)
        await sync_to_async(write_around_django)(row)
        await cache.aclear_all()
        assert await seen() == (2, 2, 12)
        assert (await cache.aget_cache_stats())["balance_cache"]["cache_misses"] == 3

    def test_no_twin_is_missing(self) -> None:
        names = {name for name in dir(cache) if not name.startswith("_")}
        plain = {name for name in names if f"a{name}" in names}
        assert names == plain | {f"a{name}" for name in plain}
        assert len(plain) == 12
