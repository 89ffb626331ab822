"""Customers are one per phone number; their ledger takes each entry once."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError

from billing.exceptions import AmountError, CustomerConflictError, CustomerNotFoundError
from billing.models import Customer, LedgerEntry
from billing.selectors import customer_balance
from billing.services import CUSTOMER_UPDATABLE, customer_get_or_create, customer_update, ledger_append
from orders.exceptions import IdempotencyConflictError, OrderNotFoundError
from orders.models import Order
from orders.statuses import Status
from restaurant.profiles.exceptions import ProfileNotFoundError
from tests.factories import BusinessProfileFactory, CustomerFactory, OrderFactory

pytestmark = pytest.mark.django_db
NUMBER = "+442079460018"


class TestKnowing:
    def test_one_number_is_one_customer_however_it_is_written(self) -> None:
        org_id = BusinessProfileFactory().org_id
        first = customer_get_or_create(org_id=org_id, phone="020 7946 0018", name="Ann")
        assert customer_get_or_create(org_id=org_id, phone=NUMBER, name="Bob") == first
        assert list(Customer.objects.values_list("phone", "name")) == [(NUMBER, "Ann")]

    def test_a_name_is_noted_when_there_was_none(self) -> None:
        customer = CustomerFactory(name="")
        customer_get_or_create(org_id=customer.org_id, phone=customer.phone, name="Ann")
        customer.refresh_from_db()
        assert customer.name == "Ann"

    @pytest.mark.parametrize("phone", ["", "call me"])
    def test_a_customer_needs_a_number(self, phone: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            customer_get_or_create(org_id=BusinessProfileFactory().org_id, phone=phone)
        assert set(refusal.value.message_dict) == {"phone"}

    def test_an_unknown_organisation_has_no_customers(self) -> None:
        with pytest.raises(ProfileNotFoundError):
            customer_get_or_create(org_id="nowhere", phone=NUMBER)


class TestChanging:
    def test_unfinished_orders_follow_to_a_new_number_and_finished_ones_keep_theirs(self) -> None:
        customer = CustomerFactory()
        open_order = OrderFactory(org=customer.org, customer_phone=customer.phone)
        paid_order = OrderFactory(org=customer.org, customer_phone=customer.phone, status=Status.PAID)
        foreign_order = OrderFactory(customer_phone=customer.phone)
        customer_update(org_id=customer.org_id, customer_id=customer.pk, changes={"phone": "020 7946 0018"})
        phones = dict(Order.objects.values_list("pk", "customer_phone"))
        assert phones[open_order.pk] == NUMBER
        assert phones[paid_order.pk] == phones[foreign_order.pk] == customer.phone

    def test_the_ledger_stays_with_the_customer(self) -> None:
        customer = CustomerFactory()
        ledger_append(
            org_id=customer.org_id, customer_id=customer.pk, kind="charge", amount=Decimal(5), idempotency_key="k"
        )
        customer_update(org_id=customer.org_id, customer_id=customer.pk, changes={"phone": NUMBER, "name": "Ann"})
        assert customer_balance(org_id=customer.org_id, phone=NUMBER) == 5
        assert customer_balance(org_id=customer.org_id, phone=customer.phone) is None

    def test_a_number_of_another_customer_is_refused(self) -> None:
        customer = CustomerFactory()
        other = CustomerFactory(org=customer.org)
        with pytest.raises(CustomerConflictError, match="Another customer"):
            customer_update(org_id=customer.org_id, customer_id=customer.pk, changes={"phone": other.phone})

    def test_a_number_that_changed_meanwhile_is_not_overwritten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        customer = CustomerFactory()

        def another_till_was_faster(**_: Any) -> list[Order]:
            Customer.objects.filter(pk=customer.pk).update(phone=NUMBER)
            return []

        monkeypatch.setattr("billing.services.customers.orders_lock_active_of_phone", another_till_was_faster)
        with pytest.raises(CustomerConflictError, match="just now"):
            customer_update(org_id=customer.org_id, customer_id=customer.pk, changes={"phone": "+442079460019"})

    @pytest.mark.parametrize(
        ("changes", "field"), [({"phone": ""}, "phone"), ({"name": "x" * 201}, "name"), ({"balance": 0}, "balance")]
    )
    def test_what_cannot_be_is_refused_by_name(self, changes: dict[str, Any], field: str) -> None:
        customer = CustomerFactory()
        with pytest.raises(ValidationError) as refusal:
            customer_update(org_id=customer.org_id, customer_id=customer.pk, changes=changes)
        assert set(refusal.value.message_dict) == {field}

    def test_an_unknown_field_is_refused_with_the_allowed_ones(self) -> None:
        with pytest.raises(ValidationError, match=", ".join(CUSTOMER_UPDATABLE)):
            customer_update(org_id="any", customer_id=uuid4(), changes={"email": "x"})

    def test_a_customer_of_another_organisation_is_not_found(self) -> None:
        with pytest.raises(CustomerNotFoundError):
            customer_update(org_id=BusinessProfileFactory().org_id, customer_id=CustomerFactory().pk, changes={})


class TestLedger:
    @pytest.fixture
    def customer(self) -> Customer:
        return CustomerFactory()

    def _append(self, customer: Customer, **changes: Any) -> tuple[LedgerEntry, bool]:
        entry: dict[str, Any] = {"kind": "charge", "amount": Decimal("5.00"), "idempotency_key": "k"}
        return ledger_append(**{"org_id": customer.org_id, "customer_id": customer.pk} | entry | changes)

    def test_an_entry_changes_the_balance(self, customer: Customer) -> None:
        order = OrderFactory(org=customer.org)
        self._append(customer, order_id=order.pk, memo="cake")
        self._append(customer, kind="payment", amount=Decimal("-2.00"), idempotency_key="k2")
        self._append(customer, kind="adjustment", amount=Decimal("-0.50"), idempotency_key="k3")
        assert customer_balance(org_id=customer.org_id, phone=customer.phone) == Decimal("2.50")

    def test_a_repeated_request_adds_nothing(self, customer: Customer) -> None:
        entry, is_new = self._append(customer)
        assert is_new
        assert self._append(customer, amount=Decimal(5)) == (entry, False)
        assert LedgerEntry.objects.count() == 1

    @pytest.mark.parametrize(
        "change", [{"amount": Decimal(6)}, {"kind": "adjustment"}, {"memo": "other"}], ids=["amount", "kind", "memo"]
    )
    def test_a_key_used_for_another_entry_is_a_conflict(self, customer: Customer, change: dict[str, Any]) -> None:
        self._append(customer)
        with pytest.raises(IdempotencyConflictError):
            self._append(customer, **change)
        assert LedgerEntry.objects.count() == 1

    @pytest.mark.parametrize(
        ("kind", "amount", "message"),
        [
            ("charge", "-1.00", "A charge is positive"),
            ("payment", "1.00", "payment or refund negative"),
            ("refund", "1.00", "payment or refund negative"),
            ("adjustment", "0.00", "changes nothing"),
            ("charge", "1.001", "at most 2 decimal places"),
        ],
    )
    def test_an_amount_that_makes_no_sense_is_refused(
        self, customer: Customer, kind: str, amount: str, message: str
    ) -> None:
        with pytest.raises(AmountError, match=message):
            self._append(customer, kind=kind, amount=Decimal(amount))

    def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(self, customer: Customer) -> None:
        with pytest.raises(ValidationError, match="charge, payment, refund, adjustment"):
            self._append(customer, kind="gift")

    def test_only_known_customers_and_orders_of_the_organisation_take_part(self, customer: Customer) -> None:
        with pytest.raises(CustomerNotFoundError):
            self._append(customer, customer_id=CustomerFactory().pk)
        with pytest.raises(OrderNotFoundError):
            self._append(customer, order_id=OrderFactory().pk)
