"""A day on real servers, one of which is stopped in the middle, and days that come to no end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.servers import Server
from tests.stores import replays
from tests.stores.replays import Interruption, Played, PlayError, play


def test_nothing_is_lost_or_stale_when_redis_is_killed_in_the_middle_of_a_day() -> None:
    with Server() as server:
        killed = Interruption(server.kill, server.start, frozenset({"redis_left_alone"}), frozenset({"redis_answers"}))
        played = play({"REDIS_URL": f"redis://127.0.0.1:{server.port}/0"}, killed)

    assert played.is_true
    assert played.report["redis"]
    assert played.report["orders"] == 39
    assert played.report["customers"] > 5
    assert played.of("orders", "requests") > 1000


def test_a_day_that_cannot_begin_says_why() -> None:
    with pytest.raises(PlayError, match=r"not played to its end: (.|\n)*unable to open database file"):
        play({"DATABASE_URL": "sqlite:////nowhere/at/all"})


# --- what a player says -----------------------------------------------------------------------------------------------

REPORT = {"report": {"stale": 0, "lost_orders": 0, "unbalanced": 0}}


class Told:
    """A player that says these lines; what was done to its server meanwhile, and after how many lines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *said: dict[str, Any]) -> None:
        self.done: list[tuple[str, int]] = []
        self._lines = 0

        def lines() -> Iterator[str]:
            for each in said:
                self._lines += 1
                yield json.dumps(each)

        @contextmanager
        def player(*_: object, **__: object) -> Iterator[Iterator[str]]:
            yield lines()

        monkeypatch.setattr(replays, "_player", player)

    def _do(self, what: str) -> None:
        self.done.append((what, self._lines))

    def play(self) -> Played:
        away, back = frozenset({"away"}), frozenset({"back"})
        return play({}, Interruption(lambda: self._do("stop"), lambda: self._do("resume"), away, back))


def test_the_server_is_stopped_in_the_middle_and_resumed_when_that_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(
        monkeypatch,
        {"event": "away"},
        {"done": 4, "of": 10},
        {"done": 5, "of": 10},
        {"done": 6, "of": 10},
        {"event": "other"},
        {"event": "away"},
        {"event": "away"},
        {"event": "back"},
        REPORT,
    )

    assert told.play().is_true
    assert told.done == [("stop", 3), ("resume", 6)]


def test_a_stop_that_nobody_notices_has_shown_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlayError, match="Nobody noticed"):
        Told(monkeypatch, {"done": 5, "of": 10}, REPORT).play()


def test_a_server_that_is_back_and_not_used_has_shown_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch, {"event": "back"}, {"done": 5, "of": 10}, {"event": "back"}, {"event": "away"}, REPORT)
    with pytest.raises(PlayError, match="Nobody used the server again"):
        told.play()
    assert [what for what, _ in told.done] == ["stop", "resume"]


def test_a_day_without_a_report_was_not_played(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PlayError, match="not played to its end"):
        Told(monkeypatch, {"done": 5, "of": 10}, {"event": "away"}).play()
