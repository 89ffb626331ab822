"""What callers may pass, and what they are told when it makes no sense."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from caching.steps import drive
from orders.statuses import Status
from restaurant.fast_access import inputs
from tests.factories import NOON, BusinessProfileFactory, CustomerFactory

ID = UUID("0b54c1f2-7c1d-4f5e-9a57-3f1f0f6f2c11")


class TestOrderId:
    @pytest.mark.parametrize("given", [ID, str(ID), ID.hex])
    def test_it_is_a_uuid_or_its_text(self, given: Any) -> None:
        assert inputs.order_id(given) == ID

    @pytest.mark.parametrize("given", ["", "17", 17, None])
    def test_anything_else_is_refused(self, given: Any) -> None:
        with pytest.raises(ValueError, match="An order's id is a UUID"):
            inputs.order_id(given)


class TestStatus:
    @pytest.mark.parametrize("given", ["paid", Status.PAID])
    def test_it_is_a_word_of_the_table(self, given: str) -> None:
        assert inputs.status(given) == "paid"

    def test_another_word_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(ValueError, match="pending, confirmed"):
            inputs.status("lost")


@pytest.mark.django_db(transaction=True)
class TestDay:
    @pytest.mark.parametrize(
        ("time_zone", "today"), [("America/New_York", date(2026, 3, 14)), ("Asia/Tokyo", date(2026, 3, 15))]
    )
    def test_today_is_where_the_organisation_is(
        self, monkeypatch: pytest.MonkeyPatch, time_zone: str, today: date
    ) -> None:
        monkeypatch.setattr(timezone, "now", lambda: NOON.replace(hour=23))
        row = BusinessProfileFactory(time_zone=time_zone)
        summary = drive(inputs.summary_of_day(row.pk, None, "default"))
        assert summary is not None
        assert summary.day == today

    @pytest.mark.parametrize("day", [None, NOON.date()])
    def test_an_unknown_organisation_has_no_summary(self, day: date | None) -> None:
        assert drive(inputs.summary_of_day("nowhere", day, "default")) is None

    @pytest.mark.parametrize("day", [NOON, "2026-03-14", 0])
    def test_what_is_no_day_is_refused(self, day: Any) -> None:
        with pytest.raises(ValueError, match="a date without a time"):
            drive(inputs.summary_of_day("org", day, "default"))


@pytest.mark.django_db(transaction=True)
class TestPhone:
    @pytest.mark.parametrize("phone", ["+447700900001", "+44 7700 900001", "07700 900001", "(07700) 900-001"])
    def test_every_form_of_a_number_finds_the_customer(self, phone: str) -> None:
        customer = CustomerFactory(phone="+447700900001")
        balance = drive(inputs.balance_of_phone(customer.org_id, phone, "default"))
        assert balance is not None
        assert balance.customer_id == customer.pk

    @pytest.mark.parametrize(("phone", "message"), [("nonsense", "not a phone number"), ("  ", "give one")])
    def test_what_is_no_number_is_refused_without_repeating_it(self, phone: str, message: str) -> None:
        row = BusinessProfileFactory()
        with pytest.raises(ValueError, match=message) as refused:
            drive(inputs.balance_of_phone(row.pk, phone, "default"))
        assert "nonsense" not in str(refused.value)

    def test_an_unknown_organisation_knows_nobody(self) -> None:
        assert drive(inputs.balance_of_phone("nowhere", "07700 900001", "default")) is None
