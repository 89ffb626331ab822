"""Spans of time in which history is kept and read: whole minutes, hours and days of UTC, which knows no summer time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from caching.conf import conf
from caching.errors import CachingError
from caching.runtime import runtime

__all__ = [
    "FINER",
    "MINUTES",
    "STEPS",
    "BadPeriod",
    "Piece",
    "Step",
    "Window",
    "as_datetime",
    "floor",
    "minute_now",
    "moment",
    "retention",
    "window",
]

Step = Literal["minute", "hour", "day"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)

#: How many minutes a step has.
MINUTES: Final[Mapping[Step, int]] = {"minute": 1, "hour": 60, "day": 1440}
#: What a step is added up from.
FINER: Final[Mapping[Step, Step]] = {"hour": "minute", "day": "hour"}

#: More points than this of one series are not given out at once.
_MOST_POINTS: Final = 1500
# Up to this long a time is shown in this step, unless it says itself in which.
_LONGEST: Final[Mapping[Step, int]] = {"minute": 6 * 60, "hour": 14 * 1440}
# How long a time is when only its step is said.
_USUAL: Final[Mapping[Step, int]] = {"minute": 6 * 60, "hour": 7 * 1440, "day": 90 * 1440}

_AGO: Final = re.compile(r"(\d{1,6})([mhd])", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class BadPeriod(CachingError, ValueError):
    """A time that cannot be read or shown; the message says which can."""


class Piece(NamedTuple):
    """Rows of one step from `start` up to `end`, which is not included; in minutes since 1970."""

    step: Step
    start: int
    end: int


class Window(NamedTuple):
    """What is looked at: from `start` up to `end`, which is not included, in whole steps; in minutes since 1970."""

    step: Step
    start: int
    end: int

    def pieces(self) -> list[Piece]:
        """Return where the rows are, the oldest first: the last hours and days may not have been added up yet."""
        now, start, found = minute_now(), self.start, []
        for step in reversed(STEPS[: STEPS.index(self.step) + 1]):
            end = self.end
            if step != "minute":
                end = max(start, min(end, floor(now, step) - MINUTES[step]))
            if start < end:
                found.append(Piece(step, start, end))
            start = end
        return found


def floor(minute: int, step: Step) -> int:
    """Return the minute in which the step began that this minute belongs to."""
    return minute - minute % MINUTES[step]


def minute_now() -> int:
    """Return the minute under way, counted since 1970."""
    return int(runtime.clock.wall() // 60)


def as_datetime(minute: int) -> datetime:
    """Return when that minute since 1970 began, in UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def retention() -> dict[Step, int]:
    """Return for how many minutes rows of each step are kept; nothing when no history is."""
    given: Mapping[Step, float] | None = conf.HISTORY
    if not given:
        return {}
    return {step: int({**_KEPT, **given}[step] // 60) for step in STEPS}


# What the setting does not say.
_KEPT: Final[Mapping[Step, float]] = {"minute": 2 * 86400, "hour": 30 * 86400, "day": 400 * 86400}


def moment(text: str) -> datetime:
    """Return the time that people write: a date, a date and a time, or how long ago, such as `90m`, `24h`, `7d`.

    Without an offset it is meant in the current time zone. Raises `BadPeriod`.
    """
    text = text.strip()
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            now = datetime.fromtimestamp(runtime.clock.wall(), UTC)
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        when = parse_datetime(text)
        if when is None:
            day = parse_date(text)
            when = datetime(day.year, day.month, day.day) if day is not None else None  # noqa: DTZ001 -- made aware below
        if when is not None:
            return when.replace(tzinfo=when.tzinfo or timezone.get_current_timezone()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadPeriod(
        "Give a date (2026-11-23), a date and a time (2026-11-23T18:30, with an offset such as +01:00 or Z if it is "
        "not in this site's time zone), or how long ago (90m, 24h, 7d)."
    )


def window(since: datetime | None, until: datetime | None, step: Step | None) -> Window:
    """Return the whole steps that hold this time; `until` is now if not given. Raises `BadPeriod`.

    Without a step it is the finest that gives a readable number of points and is still kept.
    """
    now = minute_now()
    end = now if until is None else _minute(until, up=True)
    if since is None:
        step = step or "minute"
        start = end - _USUAL[step]
    else:
        start = _minute(since, up=False)
    if start >= end or (since is not None and until is not None and since >= until):
        raise BadPeriod("There is nothing between these times: since must be before until, and before now.")
    # What has not begun is not asked for, and nothing was counted before computers.
    start, end = max(0, start), max(1, min(end, now + 1))
    if start >= end:
        raise BadPeriod("There is nothing yet: since must be before now.")
    if step is None:
        step = _step(start, end, now)
    start, end = floor(start, step), floor(end - 1, step) + MINUTES[step]
    points = (end - start) // MINUTES[step]
    if points > _MOST_POINTS:
        raise BadPeriod(
            f"That would be {points:,} points by {step}, more than {_MOST_POINTS:,}: take a shorter time"
            + ("." if step == STEPS[-1] else " or a longer step.")
        )
    return Window(step, start, end)


def _minute(when: datetime, *, up: bool) -> int:
    seconds = when.timestamp()
    return int(-(-seconds // 60) if up else seconds // 60)


def _step(start: int, end: int, now: int) -> Step:
    kept = retention() or {step: int(seconds // 60) for step, seconds in _KEPT.items()}
    for step, longest in _LONGEST.items():
        if end - start <= longest and start >= now - kept[step]:
            return step
    return "day"
