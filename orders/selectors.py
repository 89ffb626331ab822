"""Reads of orders and menus, straight from the database."""

from collections.abc import Iterable
from datetime import date
from typing import Final, TypeAlias
from uuid import UUID

from django.db.models import Count, F, Prefetch, QuerySet

from orders.models import MenuItem, Order, OrderLine
from orders.statuses import ACTIVE

# Each attempt but the first needs another commit in the instant between two queries.
_ATTEMPTS: Final = 5

OrderRef: TypeAlias = tuple[UUID, int]
"""An order's id and the version of its row: what a cached list is made of."""


def order_get(*, org_id: str, order_id: UUID, using: str | None = None) -> Order | None:
    """Return the order with its lines (two queries), None when the organisation has no such order."""
    return next(iter(orders_get(org_id=org_id, order_ids=[order_id], using=using)), None)


def orders_get(*, org_id: str, order_ids: Iterable[UUID], using: str | None = None) -> list[Order]:
    """Return those of the orders that the organisation has, with their lines (two queries), newest first.

    Each has its organisation's `currency`. Order and lines are of one moment, even while others write: the lines are
    read with their orders' versions, and an order that was changed between the two queries is read again.
    """
    wanted: QuerySet[Order] = (
        _orders(org_id, using)
        .filter(pk__in=list(order_ids))
        .annotate(currency=F("org__currency"))
        .prefetch_related(Prefetch("lines", OrderLine.objects.annotate(order_version=F("order__version"))))
    )
    for _ in range(_ATTEMPTS):
        orders = list(wanted.all())
        lines = ((order, line) for order in orders for line in order.lines.all())
        if all(line.order_version == order.version for order, line in lines):  # type: ignore[attr-defined]  # annotated
            break
    return orders


def orders_of_org(*, org_id: str, using: str | None = None) -> QuerySet[Order]:
    """Return all orders of the organisation, newest first, for filters to choose from."""
    return _orders(org_id, using)


def order_refs_active(*, org_id: str, using: str | None = None) -> list[OrderRef]:
    """Return the orders the restaurant still has to do something about, newest first."""
    return _refs(_orders(org_id, using).filter(status__in=ACTIVE))


def order_refs_by_status(*, org_id: str, status: str, using: str | None = None) -> list[OrderRef]:
    """Return the orders in one status, newest first."""
    return _refs(_orders(org_id, using).filter(status=status))


def order_refs_page(*, org_id: str, page: int, page_size: int, using: str | None = None) -> tuple[int, list[OrderRef]]:
    """Return how many orders the organisation has, and those on the page (1 is the newest); a page beyond is empty."""
    orders = _orders(org_id, using)
    first = (page - 1) * page_size
    return orders.count(), _refs(orders[first : first + page_size])


def order_counts_by_status(*, org_id: str, day: date, using: str | None = None) -> dict[str, int]:
    """Return how many orders placed on the local date `day` are in each status; statuses without any are left out."""
    counts = _orders(org_id, using).filter(placed_on=day).order_by().values_list("status").annotate(Count("pk"))
    return dict(counts.order_by("status"))


def menu_items(*, org_id: str, using: str | None = None) -> QuerySet[MenuItem]:
    """Return the organisation's dishes by category and name, those that are not available included."""
    return MenuItem.objects.using(using).filter(org_id=org_id)


def _orders(org_id: str, using: str | None) -> QuerySet[Order]:
    return Order.objects.using(using).filter(org_id=org_id)


def _refs(orders: QuerySet[Order]) -> list[OrderRef]:
    return list(orders.values_list("pk", "version"))
