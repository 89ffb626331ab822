"""The API of bills and payments, and of the day's summary."""

from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status as http
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.serializers import PaymentSerializer, Receipt, RefundSerializer
from billing.cached import DaySummary, OrderBill, bill_total, billing_summary
from billing.services import PaymentReceipt, order_pay, order_refund
from restaurant.api.conditional import cached_response
from restaurant.api.idempotency import idempotency_key_required, replayed_headers
from restaurant.api.openapi import IDEMPOTENCY_REQUIRED, cached_note
from restaurant.api.query import query_check, query_date
from restaurant.profiles.api.access import Action, OrganisationView
from restaurant.profiles.cached import business_settings


class BillView(OrganisationView):
    """What an order costs."""

    actions: ClassVar = {"GET": Action.READ_BILLS}

    @extend_schema(
        operation_id="bill",
        summary="What an order costs",
        tags=["billing"],
        responses=OrderBill,
        description=f"What the order costs: as billed, or by its lines and the present tax rule until it is."
        f"\n\n{cached_note(bill_total)}",
    )
    def get(self, request: Request, org: str, order_id: UUID, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, bill_total.entry(org, order_id))


class PayView(OrganisationView):
    """Payments for an order."""

    actions: ClassVar = {"POST": Action.TAKE_PAYMENT}

    @extend_schema(
        operation_id="order_pay",
        summary="Pay an order",
        tags=["billing"],
        parameters=[IDEMPOTENCY_REQUIRED],
        request=PaymentSerializer,
        responses={201: Receipt},
    )
    def post(self, request: Request, org: str, order_id: UUID, **_: str) -> Response:
        """Take a payment for an order that is ready or served; the payment that settles the bill makes it paid.

        Bill, ledger and order change together or not at all.
        """
        key = idempotency_key_required(request)
        payment = PaymentSerializer(data=request.data)
        payment.is_valid(raise_exception=True)
        return _receipt_response(
            order_pay(org_id=org, order_id=order_id, idempotency_key=key, **payment.validated_data)
        )


class RefundView(OrganisationView):
    """Refunds of an order."""

    actions: ClassVar = {"POST": Action.GIVE_REFUND}

    @extend_schema(
        operation_id="order_refund",
        summary="Give money back",
        tags=["billing"],
        parameters=[IDEMPOTENCY_REQUIRED],
        request=RefundSerializer,
        responses={201: Receipt},
    )
    def post(self, request: Request, org: str, order_id: UUID, **_: str) -> Response:
        """Give back money of a paid order (owner, manager); its bill stays as it was issued."""
        key = idempotency_key_required(request)
        refund = RefundSerializer(data=request.data)
        refund.is_valid(raise_exception=True)
        return _receipt_response(
            order_refund(org_id=org, order_id=order_id, idempotency_key=key, **refund.validated_data)
        )


class SummaryView(OrganisationView):
    """The business of one day."""

    actions: ClassVar = {"GET": Action.READ_SUMMARY}

    @extend_schema(
        operation_id="billing_summary",
        summary="The business of one day",
        tags=["billing"],
        parameters=[
            OpenApiParameter(
                "day", OpenApiTypes.DATE, description="A local date of the organisation; today if left out."
            )
        ],
        responses=DaySummary,
        description="The business of one local day (owner, manager): orders by the day they were placed, bills by the "
        f"day they were issued, payments by the day of the money.\n\n{cached_note(billing_summary)}",
    )
    def get(self, request: Request, org: str, **_: str) -> HttpResponseBase:
        query_check(request, ("day",))
        day = query_date(request, "day")
        if day is None:
            settings = business_settings.get(org)
            if settings is None:
                raise NotFound("The organisation was removed just now.")
            day = timezone.localdate(timezone=ZoneInfo(settings.time_zone))
        return cached_response(request, billing_summary.entry(org, day))


def _receipt_response(receipt: PaymentReceipt) -> Response:
    return Response(
        msgspec.to_builtins(Receipt.of(receipt)),
        status=http.HTTP_201_CREATED,
        headers=replayed_headers(is_new=receipt.is_new),
    )
