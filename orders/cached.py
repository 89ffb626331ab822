"""What is cached of orders, and what makes it stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from caching import ListRegion, On, Refs, Region, Snapshot
from orders.models import Order, OrderLine
from orders.pricing import lines_subtotal
from orders.selectors import OrderRef, order_refs_active, order_refs_by_status, order_refs_page, orders_get
from orders.statuses import ACTIVE, Status
from restaurant.money import money_quantize
from restaurant.profiles.cached import hot_org_ids
from restaurant.profiles.models import BusinessProfile

__all__ = [
    "DEFAULT_PAGE_SIZE",
    "MAX_PAGE",
    "MAX_PAGE_SIZE",
    "OrderLineSnapshot",
    "OrderSnapshot",
    "active_orders",
    "order",
    "orders_by_status",
    "orders_page",
]

DEFAULT_PAGE_SIZE: Final = 20
MAX_PAGE_SIZE: Final = 100
MAX_PAGE: Final = 1_000_000


class OrderLineSnapshot(Snapshot, frozen=True):
    """One dish of an order as sold; `line_total` is quantity times unit price, in the currency's places."""

    id: UUID
    item_id: UUID | None
    item_name: str
    options: tuple[str, ...]
    quantity: int
    unit_price: Decimal
    line_total: Decimal


class OrderSnapshot(Snapshot, frozen=True):
    """An order with its lines; `subtotal` is before discount and tax, which only the bill knows."""

    id: UUID
    org_id: str
    number: int
    status: str
    service: str
    table: str
    delivery_address: str
    customer_name: str
    customer_phone: str
    currency: str
    subtotal: Decimal
    discount: Decimal
    notes: str
    placed_at: datetime
    placed_on: date
    billed_at: datetime | None
    updated_at: datetime
    external_ref: str | None
    version: int
    lines: tuple[OrderLineSnapshot, ...]


def _line_snapshot(line: OrderLine, currency: str) -> OrderLineSnapshot:
    return OrderLineSnapshot(
        id=line.pk,
        item_id=line.item_id,
        item_name=line.item_name,
        options=tuple(line.options),
        quantity=line.quantity,
        unit_price=money_quantize(line.unit_price, currency),
        line_total=lines_subtotal(lines=[line], currency=currency),
    )


def _order_snapshot(row: Order) -> OrderSnapshot:
    lines = row.lines.all()
    currency: str = row.currency  # type: ignore[attr-defined]  # annotated
    return OrderSnapshot(
        id=row.pk,
        org_id=row.org_id,
        number=row.number,
        status=row.status,
        service=row.service,
        table=row.table,
        delivery_address=row.delivery_address,
        customer_name=row.customer_name,
        customer_phone=row.customer_phone,
        currency=currency,
        subtotal=lines_subtotal(lines=lines, currency=currency),
        discount=money_quantize(row.discount, currency),
        notes=row.notes,
        placed_at=row.placed_at,
        placed_on=row.placed_on,
        billed_at=row.billed_at,
        updated_at=row.updated_at,
        external_ref=row.external_ref,
        version=row.version,
        lines=tuple(_line_snapshot(line, currency) for line in lines),
    )


def _orders(names: Sequence[tuple[str, UUID]], *, using: str) -> Mapping[tuple[str, UUID], OrderSnapshot]:
    wanted: dict[str, list[UUID]] = {}
    for org, order_id in names:
        wanted.setdefault(org, []).append(order_id)
    return {
        (row.org_id, row.pk): _order_snapshot(row)
        for org, order_ids in wanted.items()
        for row in orders_get(org_id=org, order_ids=order_ids, using=using)
    }


def _hot_orders(orgs: Sequence[str] | None, using: str) -> Iterator[tuple[str, UUID]]:
    for org in hot_org_ids(orgs, using):
        yield from ((org, order_id) for order_id, _ in order_refs_active(org_id=org, using=using))


# While the database fails a kitchen goes on with the orders it had.
_OPTIONS: Final[dict[str, Any]] = {
    "local_ttl": 120,
    "redis_ttl": 120,
    "target": 0.85,
    "target_ms": 50.0,
    "stale_for": 300,
    "presets": {"high_traffic": {"local_ttl": 300, "redis_ttl": 300}},
}

# Amounts are rounded to the currency's places.
_CURRENCY = On(BusinessProfile, org="org_id", fields=("currency",))

order = Region(
    "order",
    OrderSnapshot,
    load_many=_orders,
    fresh_on=[
        On(Order, org="org_id", parts=("pk",)),
        On(OrderLine, org="org_id", parts=("order_id",)),
        _CURRENCY,
    ],
    warm=_hot_orders,
    label="Single orders",
    **_OPTIONS,
)
"""Keyed by organisation and order id."""


def _refs(rows: Iterable[OrderRef], count: int | None = None) -> Refs:
    items = tuple(rows)
    return Refs(count=len(items) if count is None else count, items=items)


def _active(org: str, *, using: str) -> Refs:
    return _refs(order_refs_active(org_id=org, using=using))


def _by_status(org: str, status: str, *, using: str) -> Refs:
    return _refs(order_refs_by_status(org_id=org, status=Status(status), using=using))


def _page(org: str, page: int, page_size: int, *, using: str) -> Refs:
    if not 1 <= page <= MAX_PAGE:
        raise ValueError(f"Pages are numbered from 1 to {MAX_PAGE}; {page} is none.")
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"A page holds 1 to {MAX_PAGE_SIZE} orders, not {page_size}.")
    count, rows = order_refs_page(org_id=org, page=page, page_size=page_size, using=using)
    return _refs(rows, count)


# Any order of an organisation may enter, leave or change within any of its lists.
_LIST_OPTIONS: Final[dict[str, Any]] = {
    **_OPTIONS,
    "fresh_on": [On(Order, org="org_id"), On(OrderLine, org="org_id"), _CURRENCY],
}

active_orders = ListRegion(
    "active_orders",
    order,
    load=_active,
    warm=lambda orgs, using: ((org,) for org in hot_org_ids(orgs, using)),
    label="Active orders",
    **_LIST_OPTIONS,
)
"""Keyed by organisation; newest first."""

orders_by_status = ListRegion(
    "orders_by_status",
    order,
    load=_by_status,
    warm=lambda orgs, using: ((org, str(status)) for org in hot_org_ids(orgs, using) for status in ACTIVE),
    label="Orders by status",
    **_LIST_OPTIONS,
)
"""Keyed by organisation and status; newest first. Raises ValueError for a word that is no status."""

orders_page = ListRegion(
    "orders_page",
    order,
    load=_page,
    warm=lambda orgs, using: ((org, 1, DEFAULT_PAGE_SIZE) for org in hot_org_ids(orgs, using)),
    label="Pages of orders",
    **_LIST_OPTIONS,
)
"""Keyed by organisation, page (from 1) and page size (1 to MAX_PAGE_SIZE); newest first. Raises ValueError."""
