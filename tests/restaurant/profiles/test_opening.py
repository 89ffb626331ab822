"""Hours of a restaurant's own clock become moments, on the days when clocks change and on holidays, too."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from restaurant.profiles.opening import hours_on, openings

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def every_day(*spans: tuple[str, str]) -> dict[str, list[list[str]]]:
    return {day: [list(span) for span in spans] for day in DAYS}


def opening(
    zone: str, hours: dict[str, Any], since: str, days: int = 1, holidays: list[dict[str, Any]] | None = None
) -> list[str]:
    """Return the openings of the days that begin, local time, with `since`: UTC, "25T01:00"."""
    begin = datetime.fromisoformat(since).replace(tzinfo=ZoneInfo(zone))
    found = openings(
        time_zone=zone,
        opening_hours=hours,
        holidays=holidays or [],
        since=begin,
        until=begin + timedelta(days=days),
    )
    return [f"{moment:%dT%H:%M}" for moment in found]


def test_openings_are_told_in_utc_and_in_order() -> None:
    hours = {"mon": [["11:00", "15:00"], ["17:00", "23:00"]], "tue": [["12:00", "13:00"]]}
    assert opening("Asia/Karachi", hours, "2026-11-23", days=7) == ["23T06:00", "23T12:00", "24T07:00"]


def test_the_window_has_its_beginning_and_not_its_end() -> None:
    eleven = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    hours = every_day(("11:00", "15:00"))

    def between(since: datetime, until: datetime) -> list[datetime]:
        found = openings(time_zone="UTC", opening_hours=hours, holidays=[], since=since, until=until)
        return list(found)

    assert between(eleven, eleven + timedelta(seconds=1)) == [eleven]
    assert between(eleven - timedelta(hours=1), eleven) == []


def test_the_day_is_the_zones_own() -> None:
    # It is still Sunday in UTC.
    assert opening("Pacific/Auckland", {"mon": [["08:00", "10:00"]]}, "2026-11-23") == ["22T19:00"]


def test_a_span_across_midnight_opens_once() -> None:
    hours = {"fri": [["18:00", "24:00"]], "sat": [["00:00", "02:00"], ["12:00", "14:00"], ["14:00", "15:00"]]}
    assert opening("UTC", hours, "2026-11-27", days=2) == ["27T18:00", "28T12:00"]


def test_what_never_closes_never_opens() -> None:
    assert opening("Europe/London", every_day(("00:00", "24:00")), "2026-10-20", days=10) == []


class TestClocks:
    """Europe/London: forward at 01:00 UTC on 2026-03-29, back at 01:00 UTC on 2026-10-25."""

    def test_the_hour_moves_with_the_local_clock(self) -> None:
        hours = every_day(("11:00", "15:00"))
        assert opening("Europe/London", hours, "2026-03-28", days=2) == ["28T11:00", "29T10:00"]
        assert opening("Europe/London", hours, "2026-10-24", days=2) == ["24T10:00", "25T11:00"]

    def test_an_hour_that_is_left_out_opens_when_the_clock_passes_it(self) -> None:
        # No clock shows 01:30; at 01:00 UTC it shows 02:00.
        assert opening("Europe/London", {"sun": [["01:30", "04:00"]]}, "2026-03-29") == ["29T01:00"]

    def test_a_span_that_is_left_out_does_not_open(self) -> None:
        assert opening("Europe/London", {"sun": [["01:15", "01:45"]]}, "2026-03-29") == []
        # What follows it does.
        hours = {"sun": [["01:15", "01:45"], ["03:00", "04:00"]]}
        assert opening("Europe/London", hours, "2026-03-29") == ["29T02:00"]

    def test_an_hour_that_comes_twice_opens_the_first_time(self) -> None:
        assert opening("Europe/London", {"sun": [["01:30", "04:00"]]}, "2026-10-25") == ["25T00:30"]

    def test_a_night_on_which_midnight_is_left_out_is_one_span(self) -> None:
        # Beirut's clocks went from 24:00 to 01:00.
        hours = {"sat": [["18:00", "24:00"]], "sun": [["00:00", "03:00"]]}
        assert opening("Asia/Beirut", hours, "2024-03-30", days=2) == ["30T16:00"]

    def test_a_day_that_is_left_out_does_not_open(self) -> None:
        # Samoa had no 30 December.
        hours = every_day(("11:00", "15:00"))
        assert opening("Pacific/Apia", hours, "2011-12-29", days=3) == ["29T21:00", "30T21:00"]

    def test_what_opens_is_closed_before_and_shows_its_hour(self) -> None:
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")  # noqa: T201 -- shown with a failure, which it repeats
        chance = random.Random(seed)
        for _ in range(200):
            zone = chance.choice(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"])
            opens = f"{chance.randrange(24):02}:{chance.randrange(60):02}"
            day = date(2026, 1, 1) + timedelta(days=chance.randrange(365))
            if opens == "00:00":
                continue
            (moment,) = openings(
                time_zone=zone,
                opening_hours={DAYS[day.weekday()]: [[opens, "24:00"]]},
                holidays=[],
                since=datetime.combine(day, datetime.min.time(), ZoneInfo(zone)),
                until=datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone)),
            )
            assert f"{moment.astimezone(ZoneInfo(zone)):%H:%M}" >= opens
            assert f"{(moment - timedelta(seconds=1)).astimezone(ZoneInfo(zone)):%H:%M}" < opens


class TestHolidays:
    CHRISTMAS = {"first": "2026-12-24", "last": "2026-12-26", "name": "Christmas"}
    EARLY = {"first": "2026-12-31", "last": "2026-12-31", "hours": [["10:00", "14:00"]]}

    def test_a_holiday_is_closed_from_its_first_to_its_last_day(self) -> None:
        hours = every_day(("11:00", "15:00"))
        assert opening("UTC", hours, "2026-12-22", days=7, holidays=[self.CHRISTMAS]) == [
            "22T11:00", "23T11:00", "27T11:00", "28T11:00",
        ]  # fmt: skip

    def test_a_holiday_with_hours_has_those_instead_of_the_weekdays(self) -> None:
        hours = every_day(("11:00", "15:00"), ("17:00", "23:00"))
        assert opening("UTC", hours, "2026-12-31", holidays=[self.CHRISTMAS, self.EARLY]) == ["31T10:00"]

    def test_the_days_belong_to_the_restaurants_own_calendar(self) -> None:
        # In Tokyo it is the 24th while the 23rd is not over in UTC.
        assert opening("Asia/Tokyo", every_day(("08:00", "09:00")), "2026-12-24", holidays=[self.CHRISTMAS]) == []

    def test_hours_of_a_day_say_the_same(self) -> None:
        hours = {"thu": [["11:00", "15:00"]]}
        holidays = [self.CHRISTMAS, self.EARLY]
        assert hours_on(date(2026, 12, 17), opening_hours=hours, holidays=holidays) == [["11:00", "15:00"]]
        assert not hours_on(date(2026, 12, 18), opening_hours=hours, holidays=holidays)
        assert not hours_on(date(2026, 12, 24), opening_hours=hours, holidays=holidays)
        assert hours_on(date(2026, 12, 31), opening_hours=hours, holidays=holidays) == [["10:00", "14:00"]]
