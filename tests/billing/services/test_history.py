"""Finished orders, written many at once, leave the books as if they had gone through the services."""

from decimal import Decimal

import pytest

from billing.models import Bill, LedgerEntry, Payment
from billing.selectors import bill_total_get, customer_balance
from billing.services.history import HistoricLine, HistoricOrder, history_create
from orders.models import Order
from orders.services import LineDraft, order_create
from restaurant.profiles.exceptions import ProfileNotFoundError
from tests.factories import NOON, BusinessProfileFactory, CustomerFactory, MenuItemFactory

pytestmark = pytest.mark.django_db

LINES = [
    HistoricLine(item_name="Naan", quantity=2, unit_price=Decimal("2.95")),
    HistoricLine(item_name="Balti", quantity=1, unit_price=Decimal("12.95")),
]


def test_an_order_is_paid_billed_and_paid_for_in_full_when_it_was_placed() -> None:
    org = BusinessProfileFactory(tax_rate=Decimal(20))

    assert history_create(org_id=org.pk, orders=[HistoricOrder(placed_at=NOON, lines=LINES, external_ref="7")]) == 1

    order = Order.objects.get()
    assert (order.status, order.external_ref, order.placed_at, order.billed_at) == ("paid", "7", NOON, NOON)
    assert [(line.item_name, line.item, line.position) for line in order.lines.all()] == [
        ("Naan", None, 0),
        ("Balti", None, 1),
    ]
    bill = Bill.objects.get()
    assert (bill.subtotal, bill.tax, bill.total) == (Decimal("18.85"), Decimal("3.77"), Decimal("22.62"))
    assert bill_total_get(org_id=org.pk, order_id=order.pk) == (bill.subtotal, 0, bill.tax, bill.total)
    payment = Payment.objects.get()
    assert (payment.amount, payment.method, payment.received_on) == (bill.total, "cash", org.local_date(NOON))
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(("method", "balance"), [("card", "0.00"), ("account", "18.85")])
def test_a_customers_ledger_follows_as_it_does_for_a_payment_of_today(method: str, balance: str) -> None:
    customer = CustomerFactory(org__tax_rate=Decimal(0))
    order = HistoricOrder(placed_at=NOON, lines=LINES, customer=customer, method=method)

    history_create(org_id=customer.org_id, orders=[order])

    assert customer_balance(org_id=customer.org_id, phone=customer.phone) == Decimal(balance)
    assert Order.objects.get().customer_phone == customer.phone


def test_the_next_order_of_today_gets_the_next_number() -> None:
    item = MenuItemFactory()
    history_create(org_id=item.org_id, orders=[HistoricOrder(placed_at=NOON, lines=LINES)] * 3)

    order, _ = order_create(org_id=item.org_id, lines=[LineDraft(item.pk)], service="takeaway")

    assert order.number == 4


def test_progress_is_told_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.services.history._BATCH", 2)
    told: list[int] = []

    history_create(
        org_id=BusinessProfileFactory().pk,
        orders=[HistoricOrder(placed_at=NOON, lines=LINES)] * 5,
        advance=told.append,
    )

    assert told == [2, 2, 1]


def test_an_unknown_organisation_is_refused() -> None:
    with pytest.raises(ProfileNotFoundError):
        history_create(org_id="nobody", orders=[HistoricOrder(placed_at=NOON, lines=LINES)])
