"""The API of customers' accounts.

The phone number stands in the path, as in the specification: keep access logs from recording paths, or keep them safe.
"""

from typing import ClassVar

import msgspec
from django.core.exceptions import ValidationError
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework import status as http
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.filters import TransactionFilter
from billing.api.serializers import Transaction, TransactionCreateSerializer, TransactionList
from billing.cached import CustomerBalance, customer_balance
from billing.exceptions import CustomerNotFoundError
from billing.models import Customer, LedgerEntry
from billing.selectors import customer_get, ledger_of_customer
from billing.services import ledger_append
from restaurant.api.conditional import cached_response
from restaurant.api.filters import filter_names, filtered
from restaurant.api.idempotency import idempotency_key_required, replayed_headers
from restaurant.api.openapi import IDEMPOTENCY_REQUIRED, PAGE, cached_note, filter_parameters
from restaurant.api.pagination import PAGE_PARAMETERS, list_response, page_links, page_of
from restaurant.api.query import query_check
from restaurant.profiles.api.access import Action, OrganisationView
from restaurant.profiles.phones import phone_normalize

_PHONE = OpenApiParameter(
    "phone",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="With the country code, such as `+442079460018` (in addresses `+` may be written `%2B`).",
)


class BalanceView(OrganisationView):
    """What a customer owes."""

    actions: ClassVar = {"GET": Action.READ_BALANCES}

    @extend_schema(
        operation_id="customer_balance",
        summary="What a customer owes",
        tags=["customers"],
        parameters=[_PHONE],
        responses=CustomerBalance,
        description=f"What the customer owes; what is negative is owed to them.\n\n{cached_note(customer_balance)}",
    )
    def get(self, request: Request, org: str, phone: str, **_: str) -> HttpResponseBase:
        query_check(request, ())
        return cached_response(request, customer_balance.entry(org, _phone_parse(phone)))


class TransactionsView(OrganisationView):
    """The ledger of a customer."""

    actions: ClassVar = {"GET": Action.READ_BALANCES, "POST": Action.TAKE_PAYMENT}

    @extend_schema(
        operation_id="customer_transactions",
        summary="A customer's ledger",
        tags=["customers"],
        parameters=[_PHONE, *PAGE, *filter_parameters(TransactionFilter)],
        responses=TransactionList,
    )
    def get(self, request: Request, org: str, phone: str, **_: str) -> Response:
        """List a customer's ledger, newest first. Read from the database."""
        query_check(request, (*PAGE_PARAMETERS, *filter_names(TransactionFilter)))
        customer = _customer_required(org, phone)
        entries = filtered(request, TransactionFilter, ledger_of_customer(customer_id=customer.pk))
        count, page = page_of(request, entries)
        currency = customer.org.currency
        return list_response(count, [Transaction.of(entry, currency) for entry in page], page_links(request, count))

    @extend_schema(
        operation_id="customer_transaction_create",
        summary="Enter a payment, refund or adjustment",
        tags=["customers"],
        parameters=[_PHONE, IDEMPOTENCY_REQUIRED],
        request=TransactionCreateSerializer,
        responses={201: Transaction},
    )
    def post(self, request: Request, org: str, phone: str, **_: str) -> Response:
        """Enter a payment on account, or (owner, manager) a refund or an adjustment. Charges come from bills alone."""
        key = idempotency_key_required(request)
        asked = TransactionCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        if asked.validated_data["kind"] != LedgerEntry.Kind.PAYMENT:
            self.require(Action.ADJUST_BALANCES)
        customer = _customer_required(org, phone)
        entry, is_new = ledger_append(org_id=org, customer_id=customer.pk, idempotency_key=key, **asked.validated_data)
        return Response(
            msgspec.to_builtins(Transaction.of(entry, customer.org.currency)),
            status=http.HTTP_201_CREATED,
            headers=replayed_headers(is_new=is_new),
        )


def _customer_required(org: str, phone: str) -> Customer:
    customer = customer_get(org_id=org, phone=_phone_parse(phone))
    if customer is None:
        raise CustomerNotFoundError
    return customer


def _phone_parse(phone: str) -> str:
    try:
        return phone_normalize(phone)
    except ValidationError as error:
        raise exceptions.ValidationError({"phone": error.messages}) from error
