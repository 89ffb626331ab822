"""Where bills, payments and customers' accounts answer, below /api/v1/."""

from django.urls import path

from billing.api.customers import BalanceView, TransactionsView
from billing.api.views import BillView, PayView, RefundView, SummaryView

urlpatterns = [
    path("orgs/<slug:org>/orders/<uuid:order_id>/bill/", BillView.as_view(), name="bill"),
    path("orgs/<slug:org>/orders/<uuid:order_id>/pay/", PayView.as_view(), name="order_pay"),
    path("orgs/<slug:org>/orders/<uuid:order_id>/refund/", RefundView.as_view(), name="order_refund"),
    path("orgs/<slug:org>/billing/summary/", SummaryView.as_view(), name="billing_summary"),
    path("orgs/<slug:org>/customers/<str:phone>/balance/", BalanceView.as_view(), name="customer_balance"),
    path("orgs/<slug:org>/customers/<str:phone>/transactions/", TransactionsView.as_view(), name="transactions"),
]
