"""How a thread waits for an answer of Redis: awake for a moment, then asleep, and never longer than it may."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hiredis import pack_command

from caching.errors import RedisUnavailable
from caching.runtime import runtime
from caching.tiers import links
from caching.tiers.links import Link

_PING = pack_command(("PING",))


@pytest.fixture(autouse=True)
def _many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_may_spin", True)


@pytest.fixture
def link(redis: Any) -> Iterator[Link]:
    """A link that has been in use, and has not looked out in vain: on a busy machine it may have."""
    assert runtime.redis is not None
    link = Link(runtime.redis.connection(), 0, spin=0.001)
    assert link.ask(_PING) == b"PONG"
    link._spins_spared, link._spins_to_spare = 0, 1
    yield link
    link.close()


class Looks:
    """Stands in for looking at the socket: nothing is to be read until the look of that number."""

    def __init__(self, until: float = float("inf")) -> None:
        self.count = 0
        self._until = until

    def __call__(self, milliseconds: float) -> bool:
        assert milliseconds == 0
        self.count += 1
        return self.count >= self._until


@pytest.fixture
def ways_given(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    given: list[None] = []
    monkeypatch.setattr(links, "_give_way", lambda: given.append(None))
    return given


def test_it_looks_until_the_answer_is_there_and_gives_way_between_any_two_looks(
    link: Link, ways_given: list[None]
) -> None:
    link._spin, link._look = 5.0, Looks(until=4)  # type: ignore[assignment]

    assert link.ask(_PING) == b"PONG"
    assert (link._look.count, len(ways_given)) == (4, 3)  # type: ignore[attr-defined]


def test_it_goes_to_sleep_when_that_takes_too_long_and_looks_out_no_more_for_a_while(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = link._look = Looks()  # type: ignore[assignment]
    ticks = itertools.count()
    monkeypatch.setattr(links.time, "perf_counter", lambda: next(ticks) * 0.0003)

    answers_asleep = []
    for _ in range(6):
        looks.count = 0
        assert link.ask(_PING) == b"PONG"
        assert looks.count == 4
        looks.count = asleep = 0
        while link._spins_spared:
            assert link.ask(_PING) == b"PONG"
            asleep += 1
        answers_asleep.append(asleep)
        assert looks.count == 0
    assert answers_asleep == [1, 4, 16, 64, 64, 64]


def test_a_server_that_is_late_now_and_then_is_looked_out_for_again(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(links.time, "perf_counter", lambda: next(ticks) * 0.0003)
    for _ in range(3):
        late = link._look = Looks()  # type: ignore[assignment]
        assert link.ask(_PING) == b"PONG"
        assert late.count == 4
        soon = link._look = Looks(until=2)  # type: ignore[assignment]
        assert link.ask(_PING) == b"PONG"
        assert soon.count == 0
        assert link.ask(_PING) == b"PONG"
        assert soon.count == 2


def test_it_looks_out_no_longer_than_an_answer_may_take(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    link._spin, link._patience = 60.0, 5.0
    looks = link._look = Looks()  # type: ignore[assignment]
    ticks = itertools.count()
    monkeypatch.setattr(links.time, "perf_counter", lambda: next(ticks))

    assert link.ask(_PING) == b"PONG"
    assert looks.count == 5


@pytest.mark.parametrize(("spin", "many_processors"), [(0.0, True), (0.001, False)])
def test_without_a_spin_and_on_the_only_processor_it_sleeps_at_once(
    redis: Any, monkeypatch: pytest.MonkeyPatch, spin: float, many_processors: bool
) -> None:
    monkeypatch.setattr(links, "_may_spin", many_processors)
    assert runtime.redis is not None
    link = Link(runtime.redis.connection(), 0, spin)
    assert link.ask(_PING) == b"PONG"
    looks = link._look = Looks()  # type: ignore[assignment]

    assert link.ask(_PING) == b"PONG"
    assert looks.count == 0
    link.close()


def test_the_project_says_for_how_long_it_looks_out(redis: Any, settings: Any) -> None:
    settings.CACHING = {**settings.CACHING, "REDIS_SPIN_SECONDS": 0.125}
    assert runtime.redis is not None

    assert runtime.redis.ask(_PING)[0] == b"PONG"
    assert runtime.redis._threads.link._spin == 0.125


def test_a_socket_that_keeps_what_it_has_read_is_not_looked_at_from_outside(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one with TLS: an answer that is decrypted already is nowhere to be seen, and the time-out is Python's."""

    class Wrapped(socket.socket):
        pass

    assert runtime.redis is not None
    connection = runtime.redis.connection()
    connection.connect()
    plain = connection._sock
    connection._sock = Wrapped(fileno=plain.detach())
    connection._sock.settimeout(4.0)
    monkeypatch.setattr(connection, "connect", lambda: None)
    link = Link(connection, 0, spin=0.001)
    assert link.ask(_PING) == b"PONG"
    looks = link._look = Looks()  # type: ignore[assignment]

    assert link.ask(_PING) == b"PONG"
    assert looks.count == 0
    assert connection._sock.gettimeout() == 4.0
    link.close()


class Dripping:
    """A socket through which an answer comes in small pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)

    def sendall(self, request: bytes) -> None:
        pass

    def recv_into(self, buffer: bytearray) -> int:
        piece = next(self._pieces)
        buffer[: len(piece)] = piece
        return len(piece)


def test_an_answer_may_come_in_pieces(link: Link) -> None:
    link._may_spin, link._socket = False, Dripping(b"$5\r\n", b"he", b"llo\r\n")

    assert link.ask(_PING) == b"hello"


def test_a_server_that_says_a_little_now_and_then_has_no_more_time(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    link._may_spin, link._patience = False, 2.5
    link._socket = Dripping(b"$5\r\n", b"h", b"e", b"l", b"l", b"o\r\n")
    ticks = itertools.count()
    monkeypatch.setattr(links.time, "perf_counter", lambda: next(ticks))

    with pytest.raises(RedisUnavailable, match="TimeoutError"):
        link.ask(_PING)
