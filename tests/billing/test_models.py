"""The books can only be added to."""

import pytest
from django.db import IntegrityError
from django.db.models import ProtectedError

from billing.exceptions import AppendOnlyError
from billing.models import Bill, Customer, LedgerEntry, Payment
from tests.factories import (
    BillFactory,
    BusinessProfileFactory,
    CustomerFactory,
    LedgerEntryFactory,
    PaymentFactory,
)

BOOKS = [BillFactory, PaymentFactory, LedgerEntryFactory]


@pytest.mark.django_db
@pytest.mark.parametrize("factory", BOOKS)
def test_a_stored_row_of_the_books_is_neither_changed_nor_deleted(factory: type[BillFactory]) -> None:
    row = factory()
    with pytest.raises(AppendOnlyError, match="never changed"):
        row.save()
    with pytest.raises(AppendOnlyError, match="never deleted"):
        row.delete()
    with pytest.raises(AppendOnlyError, match="never changed"):
        type(row).objects.filter(pk=row.pk).update(org=row.org)
    with pytest.raises(AppendOnlyError, match="never changed"):
        type(row).objects.bulk_update([row], ["org"])
    with pytest.raises(AppendOnlyError, match="never changed"):
        type(row).objects.bulk_create([row], update_conflicts=True, update_fields=["org"], unique_fields=["id"])
    made_by_hand = type(row)(pk=row.pk, org=row.org)
    for how in ({"force_update": True}, {"update_fields": ["org"]}):
        with pytest.raises(AppendOnlyError, match="never changed"):
            made_by_hand.save(**how)
    assert type(row).objects.get() == row


@pytest.mark.django_db
def test_an_order_has_one_bill() -> None:
    bill = BillFactory()
    with pytest.raises(IntegrityError):
        BillFactory(order=bill.order, number=bill.number + 1)


@pytest.mark.django_db
def test_what_the_books_refer_to_cannot_be_deleted() -> None:
    entry, payment = LedgerEntryFactory(), PaymentFactory()
    for row in (entry.customer, payment.bill.order):
        with pytest.raises(ProtectedError):
            row.delete()


@pytest.mark.django_db
def test_a_phone_number_is_one_customer_in_each_organisation() -> None:
    customer = CustomerFactory()
    CustomerFactory(phone=customer.phone)
    with pytest.raises(IntegrityError):
        CustomerFactory(phone=customer.phone, org=customer.org)


def test_rows_name_themselves_without_phone_numbers() -> None:
    profile = BusinessProfileFactory.build(org_id="one")
    nameless = Customer(org=profile, phone="+442079460018")
    assert str(Customer(org=profile, name="Ann")) == "Ann"
    assert str(nameless) == f"Customer {nameless.pk}"
    assert str(Bill(org=profile, number=7)) == "Bill 7 of one"
    assert str(Payment(amount=5, method="card")) == "5 by card"
    assert str(LedgerEntry(amount=5, kind="charge")) == "charge 5"
