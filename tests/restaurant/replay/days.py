"""A small day of a restaurant, to be replayed by tests."""

from datetime import date, timedelta
from decimal import Decimal

from orders.models import Order
from orders.statuses import Status
from restaurant.profiles.models import BusinessProfile
from tests.factories import NOON, BusinessProfileFactory, OrderFactory

DAY = date(2026, 3, 14)


def day_make(orders: int = 3, *, org_id: str = "true-one") -> BusinessProfile:
    """Return an organisation with so many orders of DAY, of two dishes each, all paid."""
    org = BusinessProfileFactory(org_id=org_id, accepts_delivery=False, accepts_table_service=False)
    services = (Order.Service.TAKEAWAY, Order.Service.TABLE, Order.Service.DELIVERY)
    for index in range(orders):
        OrderFactory(
            org=org,
            lines=2,
            status=Status.PAID,
            service=services[index % 3],
            discount=Decimal(index),
            placed_at=NOON + timedelta(minutes=10 * index),
            customer_phone="+442079460958",
            customer_name="A true guest",
        )
    return org
