"""When a restaurant opens: hours and holidays of its own clock as moments of everybody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from restaurant.profiles.validation import WEEKDAYS

__all__ = ["hours_on", "openings"]

# Spans that end so long before, or begin so long after, what is asked about cannot matter, however clocks are set in
# between, and are spared the conversion, which is what takes time.
_MARGIN: Final = timedelta(hours=3)


def hours_on(
    day: date, *, opening_hours: Mapping[str, Sequence[Sequence[str]]], holidays: Sequence[Mapping[str, Any]]
) -> Sequence[Sequence[str]]:
    """Return the spans of that day: those of the holiday it falls in, if there is one, else those of its weekday."""
    text = day.isoformat()
    for holiday in holidays:
        if holiday["first"] <= text <= holiday["last"]:
            hours: Sequence[Sequence[str]] = holiday.get("hours", ())
            return hours
    return opening_hours.get(WEEKDAYS[day.weekday()], ())


def openings(
    *,
    time_zone: str,
    opening_hours: Mapping[str, Sequence[Sequence[str]]],
    holidays: Sequence[Mapping[str, Any]],
    since: datetime,
    until: datetime,
) -> Iterator[datetime]:
    """Yield, in order and in UTC, the moments from `since` to before `until` at which a closed place opens.

    Spans that touch are one, across midnight, too: nothing opens between them. Where the clock is set forward, a place
    opens when it reaches or passes the hour, and not at all in a span that is left out; where it is set back, the first
    time counts. `since` and `until` are aware; what is no valid profile raises ValueError, TypeError or LookupError.
    """
    zone = ZoneInfo(time_zone)
    # Days are the zone's, whose date may be another than in UTC.
    earliest, latest = _shown(since, zone) - _MARGIN, _shown(until, zone) + _MARGIN
    open_until = datetime.min.replace(tzinfo=UTC)
    day = earliest.date()
    while day <= latest.date():
        for span in hours_on(day, opening_hours=opening_hours, holidays=holidays):
            begins, ends = (_local(day, clock) for clock in span)
            if ends < earliest or latest < begins:
                continue
            opens, closes = _moment(begins, zone), _moment(ends, zone)
            if opens < closes:
                if open_until < opens and since <= opens < until:
                    yield opens
                open_until = max(open_until, closes)
        day += timedelta(days=1)


def _local(day: date, clock: str) -> datetime:
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    return datetime.combine(day, time.fromisoformat(clock))


def _moment(wanted: datetime, zone: ZoneInfo) -> datetime:
    """Return when the zone's clocks first reach, or pass, that reading."""
    moment = wanted.replace(tzinfo=zone).astimezone(UTC)
    if _shown(moment, zone) == wanted:
        return moment
    # The clock was set forward past it, some time between the readings of before and after (PEP 495).
    early, late = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC), moment
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        early, late = (early, middle) if _shown(middle, zone) >= wanted else (middle, late)
    # Clocks are set at whole seconds.
    return late.replace(microsecond=0)


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
