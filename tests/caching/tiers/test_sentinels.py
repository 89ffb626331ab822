"""Sentinels are asked in turns, the silent ones last, and all of them together for no longer than one time-out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.sentinel import MasterNotFoundError

from caching.tiers.conversation import lasting, reason
from caching.tiers.sentinels import AsyncSentinels, Doors, Sentinels


class Sentinel:
    """Notes when it is asked, and for how long; answers what it is told to."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self._asked = name, asked
        self.answer: Any = [b"192.0.2.1", b"6379"]
        self.patience = 0.0
        self.doors = Doors(self._door, self._adoor)

    def _door(self, seconds: float) -> Any:
        self.patience = seconds
        return self

    def _adoor(self, seconds: float) -> Any:
        return _Asynchronous(self._door(seconds))

    def connect(self) -> None:
        self._asked.append(self.name)
        if isinstance(self.answer, Exception):
            raise self.answer

    def send_command(self, *words: str, check_health: bool) -> None:
        assert words == ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "tills")

    def read_response(self) -> Any:
        return self.answer

    def disconnect(self) -> None:
        pass


class _Asynchronous:
    def __init__(self, sentinel: Sentinel) -> None:
        self._sentinel = sentinel

    async def connect(self) -> None:
        self._sentinel.connect()

    async def send_command(self, *words: str, check_health: bool) -> None:
        self._sentinel.send_command(*words, check_health=check_health)

    async def read_response(self) -> Any:
        return self._sentinel.read_response()

    async def disconnect(self, *, nowait: bool) -> None:
        assert nowait


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def three(asked: list[str]) -> list[Sentinel]:
    return [Sentinel(name, asked) for name in "abc"]


@pytest.fixture
def sentinels(three: list[Sentinel]) -> Sentinels:
    return Sentinels("tills", [each.doors for each in three], lambda: 8.0)


@pytest.fixture(params=["sync", "async"])
def find(request: pytest.FixtureRequest, sentinels: Sentinels) -> Callable[[], tuple[str, int]]:
    if request.param == "sync":
        return sentinels.get_master_address
    return lambda: asyncio.run(AsyncSentinels(sentinels).get_master_address())


def test_they_take_turns(find: Callable[[], Any], asked: list[str]) -> None:
    assert {find() for _ in range(4)} == {("192.0.2.1", 6379)}
    assert asked == ["a", "b", "c", "a"]


@pytest.mark.parametrize("trouble", [TimeoutError(), RedisConnectionError(), None, []])
def test_one_that_gives_no_answer_is_asked_once_and_then_after_all_others(
    trouble: Any, find: Callable[[], Any], three: list[Sentinel], asked: list[str]
) -> None:
    three[0].answer = trouble
    for _ in range(3):
        assert find() == ("192.0.2.1", 6379)
    assert asked == ["a", "b", "c", "b"]
    three[1].answer = three[2].answer = TimeoutError()
    three[0].answer = [b"192.0.2.7", b"1"]
    assert find() == ("192.0.2.7", 1)
    assert find() == ("192.0.2.7", 1)
    assert asked[4:] == ["c", "b", "a", "a"]


def test_each_may_take_half_of_what_is_left_and_the_last_all_of_it(
    find: Callable[[], Any], three: list[Sentinel]
) -> None:
    three[0].answer = three[1].answer = TimeoutError()
    find()
    assert three[0].patience == pytest.approx(4.0, rel=0.1)
    assert three[2].patience == pytest.approx(8.0, rel=0.1)


def test_without_an_answer_there_is_no_primary(
    find: Callable[[], Any], three: list[Sentinel], asked: list[str]
) -> None:
    for each in three:
        each.answer = None
    with pytest.raises(MasterNotFoundError):
        find()
    assert asked == ["a", "b", "c"]


def test_what_no_later_attempt_gets_over_is_why_there_is_no_primary(
    find: Callable[[], Any], three: list[Sentinel]
) -> None:
    three[0].answer, three[1].answer, three[2].answer = TimeoutError(), AuthenticationError("word"), TimeoutError()
    with pytest.raises(MasterNotFoundError) as caught:
        find()
    assert lasting(caught.value)
    assert reason(caught.value).endswith("names a primary: it refuses the user or the password")
    three[1].answer = None
    with pytest.raises(MasterNotFoundError) as caught:
        find()
    assert not lasting(caught.value)
    assert reason(caught.value).endswith("names a primary")


def test_when_the_time_is_over_nobody_else_is_asked(three: list[Sentinel], asked: list[str]) -> None:
    with pytest.raises(MasterNotFoundError):
        Sentinels("tills", [each.doors for each in three], lambda: 0.0).get_master_address()
    assert asked == []
