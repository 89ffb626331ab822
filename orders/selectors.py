"""Reads of orders and menus, straight from the database."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, TypeAlias
from uuid import UUID

from django.db import router
from django.db.models import CharField, Count, F, Prefetch, QuerySet, UUIDField

from orders.models import MenuItem, Order, OrderLine
from orders.statuses import ACTIVE
from restaurant.compiled import CompiledQuery

# Each attempt but the first needs another commit in the instant between two queries.
_ATTEMPTS: Final = 5

OrderRef: TypeAlias = tuple[UUID, int]
"""An order's id and the version of its row: what a cached list is made of."""

_ORDER_FIELDS: Final = [field.attname for field in Order._meta.concrete_fields]
_LINE_FIELDS: Final = [field.attname for field in OrderLine._meta.concrete_fields]

# What is read anew after each write of an order: its lists' ids and versions, then the order with its lines.
_STATUS_REFS: Final = CompiledQuery(
    Order,
    lambda org_id, status: Order.objects.filter(org_id=org_id, status=status).values_list("pk", "version"),
    org_id=CharField(),
    status=CharField(),
)
_ACTIVE_REFS: Final = CompiledQuery(
    Order,
    lambda org_id: Order.objects.filter(org_id=org_id, status__in=ACTIVE).values_list("pk", "version"),
    org_id=CharField(),
)
_ORDER: Final = CompiledQuery(
    Order,
    lambda org_id, order_id: Order.objects.filter(org_id=org_id, pk=order_id).values_list(
        *_ORDER_FIELDS, "org__currency"
    ),
    org_id=CharField(),
    order_id=UUIDField(),
)
_LINES: Final = CompiledQuery(
    OrderLine,
    lambda order_id: OrderLine.objects.filter(order_id=order_id).values_list(*_LINE_FIELDS, "order__version"),
    order_id=UUIDField(),
)


def order_get(*, org_id: str, order_id: UUID, using: str | None = None) -> Order | None:
    """Return the order with its lines (two queries), None when the organisation has no such order."""
    return next(iter(orders_get(org_id=org_id, order_ids=[order_id], using=using)), None)


def orders_get(*, org_id: str, order_ids: Iterable[UUID], using: str | None = None) -> list[Order]:
    """Return those of the orders that the organisation has, with their lines (two queries), newest first.

    Each has its organisation's `currency`. Order and lines are of one moment, even while others write: the lines are
    read with their orders' versions, and an order that was changed between the two queries is read again.
    """
    wanted = list(order_ids)
    for _ in range(_ATTEMPTS):
        orders = _read_one(org_id, wanted[0], using) if len(wanted) == 1 else _read_many(org_id, wanted, using)
        lines = ((order, line) for order in orders for line in order.lines.all())
        if all(line.order_version == order.version for order, line in lines):  # type: ignore[attr-defined]  # annotated
            break
    return orders


def _read_many(org_id: str, order_ids: Iterable[UUID], using: str | None) -> list[Order]:
    lines = OrderLine.objects.using(using).annotate(order_version=F("order__version"))
    orders = _orders(org_id, using).filter(pk__in=order_ids).annotate(currency=F("org__currency"))
    return list(orders.prefetch_related(Prefetch("lines", lines)))


def _read_one(org_id: str, order_id: UUID, using: str | None) -> list[Order]:
    alias = using or router.db_for_read(Order)
    orders = []
    for *columns, currency in _ORDER.rows(using=alias, org_id=org_id, order_id=order_id):
        order = Order.from_db(alias, _ORDER_FIELDS, columns)
        order.currency = currency  # type: ignore[attr-defined]  # annotated
        lines = order.lines.all()
        lines._result_cache = [_line(order, row) for row in _LINES.rows(using=alias, order_id=order_id)]
        # Where prefetch_related() keeps them.
        order._prefetched_objects_cache = {"lines": lines}  # type: ignore[attr-defined]
        orders.append(order)
    return orders


def _line(order: Order, row: Sequence[object]) -> OrderLine:
    *columns, version = row
    line = OrderLine.from_db(order._state.db, _LINE_FIELDS, columns)
    line.order = order
    line.order_version = version  # type: ignore[attr-defined]  # annotated
    return line


def orders_of_org(*, org_id: str, using: str | None = None) -> QuerySet[Order]:
    """Return all orders of the organisation, newest first, for filters to choose from."""
    return _orders(org_id, using)


def order_refs_active(*, org_id: str, using: str | None = None) -> list[OrderRef]:
    """Return the orders the restaurant still has to do something about, newest first."""
    return _ACTIVE_REFS.rows(using=using, org_id=org_id)


def order_refs_by_status(*, org_id: str, status: str, using: str | None = None) -> list[OrderRef]:
    """Return the orders in one status, newest first."""
    return _STATUS_REFS.rows(using=using, org_id=org_id, status=status)


def order_refs_page(*, org_id: str, page: int, page_size: int, using: str | None = None) -> tuple[int, list[OrderRef]]:
    """Return how many orders the organisation has, and those on the page (1 is the newest); a page beyond is empty."""
    orders = _orders(org_id, using)
    first = (page - 1) * page_size
    return orders.count(), list(orders[first : first + page_size].values_list("pk", "version"))


def order_counts_by_status(*, org_id: str, day: date, using: str | None = None) -> dict[str, int]:
    """Return how many orders placed on the local date `day` are in each status; statuses without any are left out."""
    counts = _orders(org_id, using).filter(placed_on=day).order_by().values_list("status").annotate(Count("pk"))
    return dict(counts.order_by("status"))


def menu_items(*, org_id: str, using: str | None = None) -> QuerySet[MenuItem]:
    """Return the organisation's dishes by category and name, those that are not available included."""
    return MenuItem.objects.using(using).filter(org_id=org_id)


def _orders(org_id: str, using: str | None) -> QuerySet[Order]:
    return Order.objects.using(using).filter(org_id=org_id)
