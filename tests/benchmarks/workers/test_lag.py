"""A write is told of just before it happens, and seen only by the change of its stamp."""

import os
import time

import pytest
from django.db import connection

from benchmarks.results import Sample
from benchmarks.workers import lag
from benchmarks.workers.lag import BEFORE, RETURNED, SEEN, STORED, TOLD
from benchmarks.world import ORG
from caching.runtime import runtime
from restaurant.profiles.cached import profile
from tests.elsewhere import elsewhere


def is_held():
    return profile.hit(profile.key(ORG).local) is not None


@pytest.fixture(autouse=True)
def _restaurant(restaurant):
    """A restaurant, and nobody who waits before writing: the test's threads take turns."""


def moment(answer, name):
    return answer[name].rounds[0]


class TestHolding:
    def test_local_memory_keeps_the_profile(self):
        lag.held()

        assert is_held()

    def test_what_is_never_kept_is_an_error(self, settings, monkeypatch):
        settings.CACHING = {**settings.CACHING, "LOCAL_MAX_ENTRIES": 0}
        monkeypatch.setattr(lag, "_PATIENCE_SECONDS", 0.01)

        with pytest.raises(TimeoutError, match="does not keep"):
            lag.held()


class TestWatching:
    def test_a_look_sees_what_another_thread_wrote(self):
        lag.held()
        told = []

        def write():
            if not told:
                told.append(moment(elsewhere(lag.invalidated), TOLD))

        answer = lag._watched(write)

        assert moment(answer, BEFORE) <= told[0] < moment(answer, SEEN) <= moment(answer, RETURNED) <= time.monotonic()
        assert not is_held()

    def test_a_copy_that_is_dropped_for_another_reason_is_not_what_is_waited_for(self):
        lag.held()
        looks = []

        def work():
            looks.append(is_held())
            if len(looks) == 1:
                runtime.drop_local()
            if len(looks) == 3:
                profile.invalidate(ORG)

        lag._watched(work)

        assert looks == [True, False, False]

    def test_who_comes_too_late_saw_nothing(self):
        assert lag.watched() == {}

    @pytest.mark.parametrize("watch", [lag.watched, lag.watched_politely])
    def test_a_write_that_never_arrives_is_an_error(self, watch, monkeypatch):
        lag.held()
        monkeypatch.setattr(lag, "_PATIENCE_SECONDS", 0.01)

        with pytest.raises(TimeoutError, match="never arrived"):
            watch()


class TestWriting:
    def test_the_moment_is_before_the_first_stamp_is_changed(self, monkeypatch):
        bumped = []
        stamps = runtime.stamps
        bump = type(stamps).bump
        monkeypatch.setattr(
            type(stamps), "bump", lambda self, slots: (bumped.append(time.monotonic()), bump(self, slots))
        )
        began = time.monotonic()

        answer = lag.invalidated()

        assert began < moment(answer, TOLD) < bumped[0] < moment(answer, STORED) < bumped[1]
        assert "bump" not in vars(stamps)

    def test_the_moment_is_before_the_mark_is_sent(self, redis):
        names = []
        tier = runtime.redis
        send, sent = tier.execute, []
        tier.execute = lambda commands, **options: (sent.append(time.monotonic()), send(commands, **options))[1]
        with connection.execute_wrapper(lambda run, sql, *rest: (names.append(sql), run(sql, *rest))[1]):
            answer = lag.saved()

        assert moment(answer, TOLD) < sent[0] < moment(answer, STORED) < sent[1]
        assert any(sql.startswith("UPDATE") for sql in names)
        assert profile.get(ORG, use_cache=False).name.startswith("Bench Kitchen and Bar ")

    def test_each_save_changes_the_profile(self, redis):
        saved = []
        for _ in range(2):
            lag.saved()
            saved.append(profile.get(ORG, use_cache=False).name)

        assert saved[0] != saved[1]


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_stays_on_the_processor_it_is_given(index, monkeypatch):
    told = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, given: told.append(given), raising=False)

    assert lag.pinned(index) == {}

    assert told == [{(3, 5)[index]}]


def test_the_answers_are_samples():
    assert lag.held() == {lag.HELD: Sample((1.0,))}
