"""Rows for tests, one factory per model; numbered, not random, so that a failure repeats itself."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from billing.models import Bill, Customer, LedgerEntry, Payment
from orders.models import MenuItem, Order, OrderLine, OrderSequence
from orders.statuses import Status
from restaurant.profiles.models import BusinessProfile, Membership, User

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
"""When everything in the tests happens, unless a test says otherwise."""


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")
    password = factory.django.Password("secret")


class BusinessProfileFactory(DjangoModelFactory[BusinessProfile]):
    class Meta:
        model = BusinessProfile

    org_id = factory.Sequence(lambda n: f"org-{n}")
    name = factory.Sequence(lambda n: f"Restaurant {n}")
    phone = "+442079460000"
    currency = "GBP"
    time_zone = "Europe/London"
    tax_rate = Decimal(20)
    opening_hours = {"mon": [["11:00", "15:00"], ["17:00", "23:00"]], "tue": []}


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    user = factory.SubFactory(UserFactory)
    org = factory.SubFactory(BusinessProfileFactory)
    role = Membership.Role.STAFF


class MenuItemFactory(DjangoModelFactory[MenuItem]):
    class Meta:
        model = MenuItem

    org = factory.SubFactory(BusinessProfileFactory)
    name = factory.Sequence(lambda n: f"Dish {n}")
    price = Decimal("10.00")
    category = "Mains"


class OrderSequenceFactory(DjangoModelFactory[OrderSequence]):
    class Meta:
        model = OrderSequence

    org = factory.SubFactory(BusinessProfileFactory)


class OrderFactory(DjangoModelFactory[Order]):
    """An order without lines; `lines=2` gives it two, of 10.00 each."""

    class Meta:
        model = Order
        skip_postgeneration_save = True

    org = factory.SubFactory(BusinessProfileFactory)
    # Far from the numbers that services give out, which begin at 1.
    number = factory.Sequence(lambda n: 100_000 + n)
    service = Order.Service.TAKEAWAY
    status = Status.PENDING
    placed_at = NOON
    placed_on = factory.LazyAttribute(lambda order: order.org.local_date(order.placed_at))

    @factory.post_generation
    def lines(self, create: bool, extracted: int | None, **kwargs: Any) -> None:
        for position in range(extracted or 0):
            OrderLineFactory(order=self, position=position, **kwargs)


class OrderLineFactory(DjangoModelFactory[OrderLine]):
    class Meta:
        model = OrderLine

    order = factory.SubFactory(OrderFactory)
    org = factory.SelfAttribute("order.org")
    item = factory.SubFactory(MenuItemFactory, org=factory.SelfAttribute("..org"))
    item_name = factory.SelfAttribute("item.name")
    quantity = 1
    unit_price = Decimal("10.00")
    position = factory.Sequence(lambda n: n)


class CustomerFactory(DjangoModelFactory[Customer]):
    class Meta:
        model = Customer

    org = factory.SubFactory(BusinessProfileFactory)
    phone = factory.Sequence(lambda n: f"+4477009{n:05}")
    name = factory.Sequence(lambda n: f"Guest {n}")


class LedgerEntryFactory(DjangoModelFactory[LedgerEntry]):
    class Meta:
        model = LedgerEntry

    customer = factory.SubFactory(CustomerFactory)
    org = factory.SelfAttribute("customer.org")
    kind = LedgerEntry.Kind.CHARGE
    amount = Decimal("10.00")
    idempotency_key = factory.Sequence(lambda n: f"entry-{n}")
    created_at = NOON


class BillFactory(DjangoModelFactory[Bill]):
    """The bill of a served order of 10.00, untaxed."""

    class Meta:
        model = Bill

    order = factory.SubFactory(OrderFactory, status=Status.SERVED, billed_at=NOON)
    org = factory.SelfAttribute("order.org")
    number = factory.SelfAttribute("order.number")
    subtotal = Decimal("10.00")
    discount = Decimal("0.00")
    tax = Decimal("0.00")
    total = factory.LazyAttribute(lambda bill: bill.subtotal - bill.discount + bill.tax)
    currency = factory.SelfAttribute("org.currency")
    tax_rate = Decimal(0)
    tax_on = factory.SelfAttribute("org.tax_on")
    prices_include_tax = factory.SelfAttribute("org.prices_include_tax")
    issued_at = NOON
    issued_on = factory.LazyAttribute(lambda bill: bill.org.local_date(bill.issued_at))


class PaymentFactory(DjangoModelFactory[Payment]):
    class Meta:
        model = Payment

    bill = factory.SubFactory(BillFactory)
    org = factory.SelfAttribute("bill.org")
    method = Payment.Method.CASH
    amount = Decimal("10.00")
    received_at = NOON
    received_on = factory.LazyAttribute(lambda payment: payment.org.local_date(payment.received_at))
    idempotency_key = factory.Sequence(lambda n: f"payment-{n}")
    request_fingerprint = ""
