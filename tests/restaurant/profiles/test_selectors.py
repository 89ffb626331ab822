"""Profiles and memberships are read as they are in the database, in as few queries as can be."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.authtoken.models import Token

from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import User
from restaurant.profiles.selectors import (
    membership_role,
    memberships_of_user,
    profile_get,
    profile_openings,
    profile_required,
    profiles_get,
    token_get,
)
from tests.factories import BusinessProfileFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_a_profile_is_found_by_its_organisation() -> None:
    profile = BusinessProfileFactory()
    assert profile_get(org_id=profile.org_id) == profile
    assert profile_required(org_id=profile.org_id, using="default") == profile


def test_an_unknown_organisation_is_none_or_an_error_as_asked() -> None:
    assert profile_get(org_id="nowhere") is None
    with pytest.raises(ProfileNotFoundError, match="no organisation 'nowhere'"):
        profile_required(org_id="nowhere")


def test_several_profiles_cost_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first, second = BusinessProfileFactory(org_id="b"), BusinessProfileFactory(org_id="a")
    with django_assert_num_queries(1):
        assert profiles_get(org_ids=["b", "missing", "a"]) == [second, first]


def test_a_role_is_known_and_a_stranger_has_none() -> None:
    membership = MembershipFactory(role="kitchen")
    assert membership_role(user_id=membership.user_id, org_id=membership.org_id) == "kitchen"
    assert membership_role(user_id=UserFactory().pk, org_id=membership.org_id) is None


def test_a_token_comes_with_its_user_and_their_role(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    user = UserFactory(email="ada@example.com", last_name="Lovelace")
    token = Token.objects.create(user=user)
    token.refresh_from_db(fields=["created"])  # not every database keeps microseconds
    here, elsewhere = (MembershipFactory(user=user, role=role) for role in ("owner", "kitchen"))
    stranger = MembershipFactory(org=here.org, role="staff")
    Token.objects.create(user=stranger.user)
    with django_assert_num_queries(1):
        found, role = token_get(key=token.key, org_id=here.org_id)
        assert found is not None
        assert (found, found.user, role) == (token, user, "owner")
    known = User.objects.filter(pk=user.pk).values().get()
    assert {name: getattr(found.user, name) for name in known} == known
    assert (found.created, found._state.adding, found.user._state.db) == (token.created, False, "default")
    assert token_get(key=token.key, org_id=elsewhere.org_id) == (token, "kitchen")


def test_a_token_of_a_stranger_has_no_role() -> None:
    token = Token.objects.create(user=MembershipFactory().user)
    assert token_get(key=token.key, org_id=MembershipFactory().org_id) == (token, None)
    assert token_get(key=token.key, using="default") == (token, None)


def test_what_is_no_token_is_none() -> None:
    assert token_get(key="nobody's", org_id=MembershipFactory().org_id) == (None, None)


def test_the_memberships_of_a_user_come_with_their_organisations(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    user = UserFactory()
    for org_id in ("b", "a"):
        MembershipFactory(user=user, org__org_id=org_id)
    MembershipFactory()
    with django_assert_num_queries(1):
        assert [membership.org.org_id for membership in memberships_of_user(user_id=user.pk)] == ["a", "b"]


MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def test_openings_of_all_organisations_cost_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    BusinessProfileFactory(org_id="london", time_zone="Europe/London")
    BusinessProfileFactory(org_id="tokyo", time_zone="Asia/Tokyo")
    BusinessProfileFactory(org_id="closed", holidays=[{"first": "2026-11-23", "last": "2026-11-23"}])
    with django_assert_num_queries(1):
        found = list(profile_openings(since=MONDAY, until=MONDAY + timedelta(hours=12)))
    assert found == [
        ("london", MONDAY + timedelta(hours=11)),
        ("tokyo", MONDAY + timedelta(hours=2)),
        ("tokyo", MONDAY + timedelta(hours=8)),
    ]


@pytest.mark.parametrize(
    "unreadable",
    [
        {"opening_hours": []},
        {"opening_hours": {"mon": [["11:00"]]}},
        {"opening_hours": {"mon": [["eleven", "15:00"]]}},
        {"opening_hours": {"mon": 5}},
        {"holidays": [{}]},
        {"holidays": ["2026-12-25"]},
        {"time_zone": "Middle-earth/Shire"},
    ],
)
def test_hours_that_nobody_can_read_are_said_and_do_not_hide_others(
    unreadable: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    BusinessProfileFactory(org_id="broken", **unreadable)
    BusinessProfileFactory(org_id="fine")
    with caplog.at_level(logging.WARNING):
        found = list(profile_openings(since=MONDAY, until=MONDAY + timedelta(hours=12)))
    assert found == [("fine", MONDAY + timedelta(hours=11))]
    assert "When 'broken' opens cannot be told" in caplog.text
