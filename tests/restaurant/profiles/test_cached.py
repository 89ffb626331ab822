"""Cached profiles: what they hold, and that no write of a profile leaves an old copy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from caching import Region, Snapshot
from caching.errors import UnknownOrganisation
from caching.registry import registry
from caching.snapshots import encode
from restaurant.profiles.cached import (
    BusinessSettings,
    Holiday,
    Profile,
    ProfileLite,
    business_settings,
    profile,
    profile_lite,
)
from restaurant.profiles.models import BusinessProfile
from restaurant.profiles.selectors import profile_org_ids
from restaurant.profiles.services import profile_create, profile_update
from tests.factories import BusinessProfileFactory
from tests.freshness import assert_fresh_after, assert_hit, assert_untouched_by
from tests.snapshots import rendered_by_drf, snapshots

pytestmark = pytest.mark.django_db(transaction=True)

REGIONS = (profile, profile_lite, business_settings)


def _service(row: BusinessProfile) -> None:
    profile_update(org_id=row.pk, updates={"currency": "EUR"})


def _save(row: BusinessProfile) -> None:
    row.currency = "EUR"
    row.save()


def _update(row: BusinessProfile) -> None:
    BusinessProfile.objects.filter(pk=row.pk).update(currency="EUR")


def _bulk_update(row: BusinessProfile) -> None:
    row.currency = "EUR"
    BusinessProfile.objects.bulk_update([row], ["currency"])


CHANGES = [_service, _save, _update, _bulk_update]


class TestFreshness:
    @pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
    @pytest.mark.parametrize("change", CHANGES)
    def test_a_changed_profile_is_read_anew(
        self, tiers: str, region: Region[Any], change: Callable[[BusinessProfile], None]
    ) -> None:
        row = BusinessProfileFactory(currency="GBP")
        before, after = assert_fresh_after(lambda: change(row), region, row.pk)
        assert (before.currency, after.currency) == ("GBP", "EUR")

    @pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
    def test_a_profile_that_was_missing_is_found_once_created(self, tiers: str, region: Region[Any]) -> None:
        assert_fresh_after(lambda: profile_create(org_id="new", fields={"name": "New"}), region, "new")
        rows = [BusinessProfile(org_id="newer", name="Newer")]
        assert_fresh_after(lambda: BusinessProfile.objects.bulk_create(rows), region, "newer")

    @pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
    def test_a_deleted_profile_is_gone(self, tiers: str, region: Region[Any]) -> None:
        row, other = BusinessProfileFactory.create_batch(2)
        _, after = assert_fresh_after(row.delete, region, row.org_id)
        assert after is None
        _, after = assert_fresh_after(BusinessProfile.objects.filter(pk=other.pk).delete, region, other.pk)
        assert after is None

    def test_another_organisations_profile_stays_cached(self) -> None:
        row, other = BusinessProfileFactory.create_batch(2)
        assert_untouched_by(lambda: _update(other), profile, row.pk)

    def test_a_rolled_back_change_leaves_no_trace(self, tiers: str) -> None:
        row = BusinessProfileFactory(name="Old")
        assert profile.get(row.pk) is not None
        with transaction.atomic():
            BusinessProfile.objects.filter(pk=row.pk).update(name="Uncommitted")
            seen = profile.get(row.pk)
            assert seen is not None
            assert seen.name == "Uncommitted"
            transaction.set_rollback(True)
        assert assert_hit(lambda: profile.get(row.pk)).name == "Old"


class TestContent:
    def test_a_profile_holds_every_field_with_opening_hours_of_the_whole_week(self) -> None:
        eve = {"first": "2026-12-31", "last": "2026-12-31", "hours": [["12:00", "18:00"]]}
        row = BusinessProfileFactory(tax_rate=Decimal("17.5"), holidays=[eve])
        row.refresh_from_db()
        copy = profile.get(row.pk)
        assert copy is not None
        for name in Profile.__struct_fields__:
            if name not in {"opening_hours", "holidays"}:
                assert getattr(copy, name) == getattr(row, name)
        assert str(copy.tax_rate) == "17.50"
        assert copy.opening_hours.mon == (("11:00", "15:00"), ("17:00", "23:00"))
        assert (copy.opening_hours.tue, copy.opening_hours.sun) == ((), ())
        assert copy.holidays == (
            Holiday(first=date(2026, 12, 31), last=date(2026, 12, 31), hours=(("12:00", "18:00"),)),
        )

    def test_lite_and_settings_are_parts_of_the_profile(self) -> None:
        row = BusinessProfileFactory()
        whole = profile.get(row.pk)
        for part in (profile_lite.get(row.pk), business_settings.get(row.pk)):
            assert part is not None
            assert all(getattr(part, name) == getattr(whole, name) for name in part.__struct_fields__)

    def test_every_field_of_the_model_is_cached(self) -> None:
        assert set(Profile.__struct_fields__) == {field.name for field in BusinessProfile._meta.concrete_fields}

    @pytest.mark.parametrize("kind", [Profile, ProfileLite, BusinessSettings])
    @settings(max_examples=50, print_blob=True)
    @given(data=st.data())
    def test_the_json_is_what_the_rest_framework_sends(self, kind: type[Snapshot], data: st.DataObject) -> None:
        snapshot = data.draw(snapshots(kind))
        assert encode(snapshot) == rendered_by_drf(snapshot)


class TestWarming:
    @pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
    def test_all_organisations_or_those_named_are_loaded(self, region: Region[Any]) -> None:
        first, second = BusinessProfileFactory.create_batch(2)
        assert sum(region.warm([first.pk])) == 1
        assert assert_hit(lambda: region.get(first.pk)) is not None
        assert sum(region.warm()) == 2
        assert assert_hit(lambda: region.get(second.pk)) is not None

    def test_operators_are_told_of_an_organisation_that_does_not_exist(self) -> None:
        row = BusinessProfileFactory()
        registry.require_organisations([row.pk])
        with pytest.raises(UnknownOrganisation, match="'nowhere'"):
            registry.require_organisations([row.pk, "nowhere"])

    def test_the_framework_is_told_who_opens_when(self) -> None:
        row = BusinessProfileFactory(time_zone="Europe/London")
        BusinessProfileFactory(opening_hours={})
        monday = datetime(2026, 11, 23, tzinfo=UTC)
        assert registry.openings is not None
        assert list(registry.openings(monday, monday + timedelta(hours=12))) == [(row.pk, monday + timedelta(hours=11))]

    def test_organisations_are_listed_in_order(self) -> None:
        BusinessProfileFactory(org_id="b")
        BusinessProfileFactory(org_id="a")
        assert profile_org_ids() == ["a", "b"]
        assert profile_org_ids(among=["b", "nowhere"]) == ["b"]
