"""Removing an organisation removes all that is its own and nothing else."""

import pytest
from django.apps import apps

from billing.services import organisation_delete
from restaurant.profiles.models import BusinessProfile, User
from tests.factories import (
    BillFactory,
    BusinessProfileFactory,
    LedgerEntryFactory,
    MembershipFactory,
    OrderFactory,
    OrderLineFactory,
    OrderSequenceFactory,
    PaymentFactory,
)

pytestmark = pytest.mark.django_db


def _fill(profile: BusinessProfile) -> None:
    order = OrderFactory(org=profile)
    OrderLineFactory(order=order)
    OrderSequenceFactory(org=profile)
    MembershipFactory(org=profile)
    LedgerEntryFactory(customer__org=profile, order=order)
    PaymentFactory(bill=BillFactory(order=order))


def _rows(org_id: str) -> int:
    domain = [model for label in ("profiles", "orders", "billing") for model in apps.get_app_config(label).get_models()]
    return sum(model._default_manager.filter(org_id=org_id).count() for model in domain if model is not User)


def test_everything_of_the_organisation_goes_and_nothing_of_another() -> None:
    mine, other = BusinessProfileFactory(), BusinessProfileFactory()
    _fill(mine)
    _fill(other)
    rows = _rows(mine.org_id)
    assert rows == _rows(other.org_id) > 9
    assert organisation_delete(org_id=mine.org_id) == rows
    assert (_rows(mine.org_id), _rows(other.org_id)) == (0, rows)
    assert User.objects.count() == 2


def test_an_organisation_that_does_not_exist_is_none_the_less_gone() -> None:
    assert organisation_delete(org_id="nowhere") == 0
