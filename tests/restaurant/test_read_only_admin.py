"""Rows that only services write can be looked at by everyone who may, and changed by nobody."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import RequestFactory

from restaurant.read_only_admin import ReadOnlyAdmin
from tests.factories import UserFactory

READ_ONLY = ["orders.OrderLine", "orders.OrderSequence", "billing.LedgerEntry", "billing.Bill", "billing.Payment"]


@pytest.mark.parametrize("label", READ_ONLY)
def test_not_even_a_superuser_adds_changes_or_deletes(label: str, rf: RequestFactory) -> None:
    request = rf.get("/")
    request.user = UserFactory.build(is_staff=True, is_superuser=True)
    page = admin.site.get_model_admin(apps.get_model(label))
    assert isinstance(page, ReadOnlyAdmin)
    assert page.has_view_permission(request)
    assert not any(page.get_model_perms(request)[action] for action in ("add", "change", "delete"))


@pytest.mark.parametrize("label", ["profiles", "orders", "billing"])
def test_every_model_has_an_admin_page_with_a_search(label: str) -> None:
    pages = [admin.site.get_model_admin(model) for model in apps.get_app_config(label).get_models()]
    assert pages
    assert all(page.search_fields for page in pages)
