"""The API of orders and menus."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import status as http
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.filters import MenuFilter, OrderFilter
from orders.api.serializers import (
    MenuItemList,
    MenuItemSnapshot,
    OrderCreateSerializer,
    OrderList,
    OrderUpdateSerializer,
    StatusSerializer,
)
from orders.cached import OrderSnapshot, active_orders, order, orders_by_status, orders_page
from orders.selectors import menu_items, orders_of_org
from orders.services import order_change_status, order_create, order_update
from orders.statuses import ACTIVE, Status
from restaurant.api.conditional import cached_response
from restaurant.api.filters import filter_names, filtered
from restaurant.api.idempotency import idempotency_key_optional, replayed_headers
from restaurant.api.openapi import IDEMPOTENCY_OPTIONAL, PAGE, cached_note, filter_parameters
from restaurant.api.pagination import PAGE_PARAMETERS, list_response, page_links, page_of, page_wanted
from restaurant.api.query import query_check
from restaurant.money import money_quantize
from restaurant.profiles.api.access import Action, OrganisationView
from restaurant.profiles.cached import business_settings

_COOKING: Final = frozenset({Status.CONFIRMED, Status.PREPARING, Status.READY})
"""Statuses to which the kitchen, too, may move an order."""


class MenuView(OrganisationView):
    """What the restaurant sells."""

    actions: ClassVar = {"GET": Action.READ_MENU}

    @extend_schema(
        operation_id="menu",
        summary="Dishes and drinks",
        tags=["menu"],
        parameters=[*PAGE, *filter_parameters(MenuFilter)],
        responses=MenuItemList,
    )
    def get(self, request: Request, org: str, **_: str) -> Response:
        """List dishes and drinks by category and name. Read from the database."""
        query_check(request, (*PAGE_PARAMETERS, *filter_names(MenuFilter)))
        count, rows = page_of(request, filtered(request, MenuFilter, menu_items(org_id=org)))
        settings = business_settings.get(org)
        currency = settings.currency if settings is not None else ""
        dishes = [
            MenuItemSnapshot(
                id=row.pk,
                name=row.name,
                price=money_quantize(row.price, currency),
                category=row.category,
                is_available=row.is_available,
            )
            for row in rows
        ]
        return list_response(count, dishes, page_links(request, count))


class OrdersView(OrganisationView):
    """The orders of an organisation."""

    actions: ClassVar = {"GET": Action.READ_ORDERS, "POST": Action.PLACE_ORDERS}

    @extend_schema(
        operation_id="orders",
        summary="Orders by page, status and other filters",
        tags=["orders"],
        parameters=[*PAGE, *filter_parameters(OrderFilter)],
        responses=OrderList,
        description=f"""Orders, newest first.

- Without filters: a page. {cached_note(orders_page)}
- `?status=` alone, with one of {", ".join(ACTIVE)}: all orders in it, on one page.
  {cached_note(orders_by_status)}
- With any other filters: a page, chosen in the database; the orders themselves come from the cache.
""",
    )
    def get(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        query_check(request, (*PAGE_PARAMETERS, *filter_names(OrderFilter)))
        asked = {name for name in request.query_params if name != "format"}
        if asked <= set(PAGE_PARAMETERS):
            entry = orders_page.entry(org, *page_wanted(request))
            return cached_response(request, entry, page_links(request, orders_page.value(entry).count))
        # Finished orders grow without end: those are read in pages only.
        if asked == {"status"} and request.query_params["status"] in ACTIVE:
            return cached_response(request, orders_by_status.entry(org, request.query_params["status"]))
        rows = filtered(request, OrderFilter, orders_of_org(org_id=org))
        count, ids = page_of(request, rows.values_list("pk", flat=True))
        found = order.get_many([(org, order_id) for order_id in ids])
        return list_response(count, [each for each in found.values() if each], page_links(request, count))

    @extend_schema(
        operation_id="order_create",
        summary="Place an order",
        tags=["orders"],
        parameters=[IDEMPOTENCY_OPTIONAL],
        request=OrderCreateSerializer,
        responses={201: OrderSnapshot},
    )
    def post(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        """Place an order at today's prices; answers with the order."""
        key = idempotency_key_optional(request)
        draft = OrderCreateSerializer(data=request.data)
        draft.is_valid(raise_exception=True)
        placed, is_new = order_create(org_id=org, idempotency_key=key, **draft.validated_data)
        location = {"Location": request.build_absolute_uri(f"{placed.pk}/")}
        response = cached_response(request, order.entry(org, placed.pk), location | replayed_headers(is_new=is_new))
        response.status_code = http.HTTP_201_CREATED
        return response


class ActiveOrdersView(OrganisationView):
    """The orders the restaurant still has to do something about."""

    actions: ClassVar = {"GET": Action.READ_ORDERS}

    @extend_schema(
        operation_id="orders_active",
        summary="Active orders",
        tags=["orders"],
        responses=OrderList,
        description=f"All orders that are neither paid nor cancelled, newest first.\n\n{cached_note(active_orders)}",
    )
    def get(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, active_orders.entry(org))


class OrderView(OrganisationView):
    """One order."""

    actions: ClassVar = {"GET": Action.READ_ORDERS, "PATCH": Action.PLACE_ORDERS}

    @extend_schema(
        operation_id="order",
        summary="One order",
        tags=["orders"],
        responses=OrderSnapshot,
        description=f"One order with its lines.\n\n{cached_note(order)}",
    )
    def get(self, request: Request, org: str, order_id: UUID, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, order.entry(org, order_id))

    @extend_schema(
        operation_id="order_update",
        summary="Change an order",
        tags=["orders"],
        request=OrderUpdateSerializer,
        responses=OrderSnapshot,
    )
    def patch(self, request: Request, org: str, order_id: UUID, **_: str) -> HttpResponseBase:
        """Change an order that is neither paid nor cancelled; once it is billed, not what it costs."""
        draft = OrderUpdateSerializer(data=request.data)
        draft.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(draft.validated_data)
        lines, added = changes.pop("lines", None), changes.pop("lines_added", ())
        order_update(org_id=org, order_id=order_id, changes=changes, lines=lines, lines_added=added)
        return cached_response(request, order.entry(org, order_id))


class OrderStatusView(OrganisationView):
    """The status of an order."""

    actions: ClassVar = {"POST": Action.COOK}

    @extend_schema(
        operation_id="order_change_status",
        summary="Move an order to another status",
        tags=["orders"],
        request=StatusSerializer,
        responses=OrderSnapshot,
    )
    def post(self, request: Request, org: str, order_id: UUID, **_: str) -> HttpResponseBase:
        """Move an order to another status; a move that is not allowed is refused with 409, naming those that are.

        The kitchen may confirm, prepare and call ready; the rest is for the others. An order becomes paid by paying it.
        """
        wanted = StatusSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        status = wanted.validated_data["status"]
        if status not in _COOKING:
            self.require(Action.SERVE)
        order_change_status(org_id=org, order_id=order_id, status=status)
        return cached_response(request, order.entry(org, order_id))
