"""Operators find and correct profiles in the admin."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from restaurant.profiles.models import BusinessProfile
from tests.factories import BusinessProfileFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_a_profile_is_corrected_and_its_name_in_the_url_stays(operator: Client) -> None:
    profile = BusinessProfileFactory()
    url = reverse("admin:profiles_businessprofile_change", args=[profile.pk])
    form = operator.get(url).context["adminform"].form
    data = {name: value for name, value in form.initial.items() if value is not None}
    data |= {
        "name": "New name",
        "opening_hours": "{}",
        "org_id": "other",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    assert operator.post(url, data).status_code == 302
    profile.refresh_from_db()
    assert (profile.name, profile.opening_hours) == ("New name", {})
    assert BusinessProfile.objects.count() == 1


def test_opening_hours_left_empty_are_an_error_beside_the_field(operator: Client) -> None:
    url = reverse("admin:profiles_businessprofile_add")
    response = operator.post(
        url,
        {
            "org_id": "new",
            "name": "New",
            "opening_hours": "",
            "memberships-TOTAL_FORMS": 0,
            "memberships-INITIAL_FORMS": 0,
        },
    )
    assert "Opening hours look like" in response.context["adminform"].form.errors["opening_hours"][0]


@pytest.mark.parametrize("model", ["user", "businessprofile", "membership"])
def test_every_list_is_searchable_and_costs_the_same_however_long(
    operator: Client, model: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    MembershipFactory.create_batch(5)
    with django_assert_max_num_queries(8):
        response = operator.get(reverse(f"admin:profiles_{model}_changelist"), {"q": "org"})
    assert response.status_code == 200
