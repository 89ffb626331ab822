"""Spans of time are whole minutes, hours and days of UTC, whatever people write and wherever they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from caching.periods import BadPeriod, Piece, Window, as_datetime, floor, minute_now, moment, retention, window
from tests.conftest import MovableClock

NOW = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now(clock: MovableClock) -> None:
    clock.seconds = NOW.timestamp()


def minute(*clock_time: int, day: int = 23) -> int:
    return int(datetime(2026, 11, day, *clock_time, tzinfo=UTC).timestamp() // 60)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T18:30", datetime(2026, 11, 20, 18, 30, tzinfo=UTC)),
        ("2026-11-20 18:30:05", datetime(2026, 11, 20, 18, 30, 5, tzinfo=UTC)),
        ("2026-11-20T18:30Z", datetime(2026, 11, 20, 18, 30, tzinfo=UTC)),
        ("2026-11-20T18:30+05:00", datetime(2026, 11, 20, 13, 30, tzinfo=UTC)),
        ("90m", NOW - timedelta(minutes=90)),
        (" 24h ", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
    ],
)
def test_a_time_is_written_as_people_do(text: str, meant: datetime) -> None:
    assert moment(text) == meant


def test_a_time_without_an_offset_is_the_sites() -> None:
    with timezone.override("Asia/Karachi"):
        assert moment("2026-11-20T05:00") == datetime(2026, 11, 20, tzinfo=UTC)
        assert moment("2026-11-20") == datetime(2026, 11, 19, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-11-20T25:00",
        "7w",
        "-7d",
        "9999999d",
        "999999d",
        "٣d",
        "0001-01-01T00:00+14:00",
    ],
)
def test_what_is_no_time_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(BadPeriod, match=r"Give a date \(2026-11-23\)"):
        moment(text)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_hours_and_days_are_whole_where_summer_time_ends(zone: str) -> None:
    with timezone.override(zone):
        for hours in range(72):
            at = int(datetime(2026, 10, 24, tzinfo=UTC).timestamp() // 60) + 60 * hours + 59
            assert as_datetime(floor(at, "hour")).minute == 0
            assert as_datetime(floor(at, "day")).hour == 0
            assert at - floor(at, "hour") == 59


def test_times_are_widened_to_whole_steps() -> None:
    asked = window(datetime(2026, 11, 22, 1, 20, tzinfo=UTC), datetime(2026, 11, 22, 3, 0, 1, tzinfo=UTC), "hour")

    assert asked == Window("hour", minute(1, day=22), minute(4, day=22))
    assert window(datetime(2026, 11, 22, 1, tzinfo=UTC), datetime(2026, 11, 22, 3, tzinfo=UTC), "hour") == Window(
        "hour", minute(1, day=22), minute(3, day=22)
    )


def test_without_times_it_is_what_was_last() -> None:
    assert window(None, None, None) == Window("minute", minute(6, 30), minute(12, 30))
    assert window(None, None, "hour") == Window("hour", minute(12, day=16), minute(13))
    assert window(None, datetime(2026, 11, 22, tzinfo=UTC), None) == Window(
        "minute", minute(18, day=21), minute(0, day=22)
    )


@pytest.mark.parametrize(
    ("since", "until", "step"),
    [
        ("6h", None, "minute"),
        ("7h", None, "hour"),
        ("14d", None, "hour"),
        ("15d", None, "day"),
        # Minutes are kept for two days.
        ("73h", "72h", "hour"),
        ("40d", "39d", "day"),
    ],
)
def test_the_step_is_the_finest_that_is_readable_and_kept(since: str, until: str | None, step: str) -> None:
    assert window(moment(since), until and moment(until), None).step == step  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("since", "until", "step", "message"),
    [
        ("1h", "2h", None, "since must be before until"),
        ("1h", "1h", None, "since must be before until"),
        ("2027-01-01", "2027-01-02", None, "since must be before now"),
        ("2027-01-01", None, None, "since must be before until, and before now"),
        ("26h", None, "minute", r"1,560 points by minute, more than 1,500: take a shorter time or a longer step\."),
        ("2000-01-01", None, None, r"points by day, more than 1,500: take a shorter time\."),
    ],
)
def test_times_that_cannot_be_shown_are_refused(since: str, until: str | None, step: str | None, message: str) -> None:
    with pytest.raises(BadPeriod, match=message):
        window(moment(since), until and moment(until), step)  # type: ignore[arg-type]


def test_the_beginning_of_time_is_1970_and_its_end_now() -> None:
    assert window(moment("0100-01-01"), moment("0100-01-02"), None) == Window("day", 0, 1440)
    assert window(moment("1h"), moment("9999-12-31T23:59:59Z"), None).end == minute_now() + 1


def test_what_may_not_have_been_added_up_is_read_from_finer_rows() -> None:
    asked = Window("day", minute(0, day=1), minute(0, day=24))

    assert asked.pieces() == [
        Piece("day", minute(0, day=1), minute(0, day=22)),
        Piece("hour", minute(0, day=22), minute(11)),
        Piece("minute", minute(11), minute(0, day=24)),
    ]
    assert Window("hour", minute(5), minute(6)).pieces() == [Piece("hour", minute(5), minute(6))]
    assert Window("hour", minute(12), minute(13)).pieces() == [Piece("minute", minute(12), minute(13))]
    assert Window("minute", minute(5), minute(6)).pieces() == [Piece("minute", minute(5), minute(6))]


def test_what_the_setting_leaves_out_is_kept_for_the_usual_time(settings: Settings) -> None:
    settings.CACHING = {**settings.CACHING, "HISTORY": {"minute": 86400}}
    assert retention() == {"minute": 1440, "hour": 30 * 1440, "day": 400 * 1440}
    for nothing in (None, {}):
        settings.CACHING = {**settings.CACHING, "HISTORY": nothing}
        assert retention() == {}
