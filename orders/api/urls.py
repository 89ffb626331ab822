"""Where orders and menus answer, below /api/v1/."""

from django.urls import path

from orders.api.views import ActiveOrdersView, MenuView, OrderStatusView, OrdersView, OrderView

urlpatterns = [
    path("orgs/<slug:org>/menu/", MenuView.as_view(), name="menu"),
    path("orgs/<slug:org>/orders/", OrdersView.as_view(), name="orders"),
    path("orgs/<slug:org>/orders/active/", ActiveOrdersView.as_view(), name="orders_active"),
    path("orgs/<slug:org>/orders/<uuid:order_id>/", OrderView.as_view(), name="order"),
    path("orgs/<slug:org>/orders/<uuid:order_id>/status/", OrderStatusView.as_view(), name="order_status"),
]
