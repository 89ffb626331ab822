"""One process of a host holds the lock; its death, and its silence, are noticed by the others."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from caching.clock import Clock
from caching.errors import HostFileError
from caching.hostfile import host_file_path
from caching.hostlock import HostLock
from tests.caching.conftest import Child
from tests.conftest import MovableClock


@pytest.fixture
def lock(clock: MovableClock) -> HostLock:
    return HostLock("test", clock)


@pytest.fixture
def rival(clock: MovableClock) -> HostLock:
    return HostLock("test", clock)


def test_one_holds_it_until_it_lets_go(lock: HostLock, rival: HostLock) -> None:
    assert [lock.take(), lock.take(), rival.take()] == [True, True, False]
    assert (lock.held, rival.held) == (True, False)
    lock.release()
    assert [rival.take(), lock.take()] == [True, False]


def test_silence_is_counted_from_the_last_beat(lock: HostLock, rival: HostLock, clock: MovableClock) -> None:
    assert rival.silence() == math.inf
    lock.take()
    lock.beat()
    clock.advance(3)
    assert rival.silence() == pytest.approx(3)
    lock.beat()
    assert rival.silence() == 0


def test_a_beat_from_before_the_machine_was_started_is_none(lock: HostLock, clock: MovableClock) -> None:
    lock.beat()
    clock.advance(-100)
    assert lock.silence() == math.inf


def _hold(pipe: Connection) -> None:
    lock = HostLock("test", Clock())
    pipe.send(lock.take())
    pipe.recv()


def test_the_lock_dies_with_its_holder(start: Callable[..., Child], lock: HostLock) -> None:
    holder = start(_hold)
    assert holder.receive()
    assert not lock.take()
    holder.kill()
    assert lock.take()


def _live_on(pipe: Connection) -> None:
    pipe.send("alive")
    pipe.recv()


def test_a_forked_child_neither_holds_the_lock_nor_keeps_it_from_others(
    start: Callable[..., Child], lock: HostLock, rival: HostLock
) -> None:
    assert lock.take()
    child = start(_live_on)
    child.receive()
    assert lock.held
    assert not rival.take()
    lock.release()
    assert rival.take()


@pytest.mark.parametrize("what", ["a link", "a folder"])
def test_what_is_no_plain_file_is_not_used(lock: HostLock, tmp_path: Path, what: str) -> None:
    path = host_file_path("test")
    if what == "a link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    with pytest.raises(HostFileError, match="cannot be opened"):
        lock.take()
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_of_another_user_is_not_used(lock: HostLock, monkeypatch: pytest.MonkeyPatch) -> None:
    host_file_path("test").touch()
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    with pytest.raises(HostFileError, match="another user"):
        lock.take()
