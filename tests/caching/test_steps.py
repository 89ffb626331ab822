"""The two drivers: what a generator asks for is done, and what goes wrong is told to it, in a thread or awaited."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from caching.errors import RedisUnavailable
from caching.keys import Key
from caching.runtime import runtime
from caching.scripts import command
from caching.stats import Counters
from caching.steps import Ask, InLoader, Load, Pause, Step, Steps, adrive, drive
from tests.conftest import MovableClock

Driver = Callable[[Steps[Any]], Any]


@pytest.fixture(params=["thread", "coroutine"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """Run the test with both drivers."""
    return drive if request.param == "thread" else async_to_sync(adrive)


class Does:
    """A step that does the same in a thread and awaited."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self._action = action

    def run(self) -> Any:
        return self._action()

    async def arun(self) -> Any:
        return self._action()


def fail() -> None:
    raise RedisUnavailable("gone")


def only(step: Step) -> Steps[Any]:
    return (yield step)


# --- drivers ----------------------------------------------------------------------------------------------------------


def test_answers_are_sent_into_the_logic_and_its_result_comes_out(driver: Driver) -> None:
    def logic() -> Steps[list[int]]:
        first = yield Does(lambda: 1)
        second = yield Does(lambda: first + 1)
        return [first, second]

    assert driver(logic()) == [1, 2]


def test_logic_that_asks_for_nothing_just_returns(driver: Driver) -> None:
    def logic() -> Steps[str]:
        return "at once"
        yield

    assert driver(logic()) == "at once"


def test_an_error_is_thrown_into_the_logic_which_goes_on(driver: Driver) -> None:
    def logic() -> Steps[str]:
        try:
            yield Does(fail)
        except RedisUnavailable as error:
            said = str(error)
            return (yield Does(lambda: f"without Redis: {said}"))
        return "no error"

    assert driver(logic()) == "without Redis: gone"


def test_an_error_that_the_logic_answers_by_returning_ends_it(driver: Driver) -> None:
    def logic() -> Steps[str]:
        try:
            yield Does(fail)
        except RedisUnavailable:
            return "enough"
        return "no error"

    assert driver(logic()) == "enough"


def test_an_error_that_the_logic_does_not_handle_reaches_the_caller_after_its_cleaning_up(driver: Driver) -> None:
    cleaned: list[str] = []

    def logic() -> Steps[None]:
        try:
            yield Does(fail)
        except RedisUnavailable:
            yield Does(lambda: cleaned.append("gave back"))
            raise

    with pytest.raises(RedisUnavailable, match="gone"):
        driver(logic())

    assert cleaned == ["gave back"]


def test_an_error_of_the_logic_itself_reaches_the_caller(driver: Driver) -> None:
    def logic() -> Steps[None]:
        yield Does(lambda: None)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        driver(logic())


def test_an_interrupt_is_not_handed_to_the_logic(driver: Driver) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    def logic() -> Steps[str]:
        try:
            yield Does(interrupt)
        except BaseException:
            return "swallowed"
        return "no error"

    with pytest.raises(KeyboardInterrupt):
        driver(logic())


# --- steps ------------------------------------------------------------------------------------------------------------


def test_redis_is_asked_in_one_round_trip(driver: Driver, redis: Any) -> None:
    replies = driver(only(Ask([command("SET", "fa:a", "1"), command("GET", "fa:a")])))

    assert replies.values == [b"OK", b"1"]
    assert replies.run_id.startswith(redis.info("server")["run_id"].encode())


def test_without_redis_asking_it_is_an_error_like_any_other_of_redis(driver: Driver) -> None:
    with pytest.raises(RedisUnavailable, match="No Redis is configured"):
        driver(only(Ask([command("PING")])))


def test_a_function_is_called_where_the_database_connection_is(driver: Driver) -> None:
    assert driver(only(InLoader(threading.current_thread))) is threading.main_thread()


def region_of(rows: dict[tuple[Any, ...], Any], asked: list[Any]) -> Any:
    def load_rows(names: list[tuple[Any, ...]], alias: str) -> dict[tuple[Any, ...], Any]:
        asked.append((names, alias))
        return rows

    return SimpleNamespace(load_rows=load_rows, counters=Counters())


@pytest.mark.django_db(transaction=True)
def test_loading_answers_for_every_key_and_counts_once(driver: Driver) -> None:
    asked: list[Any] = []
    region = region_of({("corner", 1): Decimal(5)}, asked)
    there, missing = Key("dish", "corner", (1,)), Key("dish", "corner", (2,))

    loaded = driver(only(Load(region, [there, missing])))

    assert asked == [([("corner", 1), ("corner", 2)], "default")]
    assert loaded.values == {there: Decimal(5), missing: None}
    assert loaded.may_fill
    assert region.counters.loads == 1
    assert region.counters.load_ns > 0
    assert loaded.seconds == region.counters.load_ns / 1e9


@pytest.mark.django_db(transaction=True)
def test_what_is_loaded_inside_a_transaction_may_not_fill(driver: Driver) -> None:
    region = region_of({}, [])

    with transaction.atomic():
        loaded = driver(only(Load(region, [Key("dish", "corner", (1,))])))

    assert not loaded.may_fill


def test_waiting_moves_the_clock_of_a_thread(clock: MovableClock) -> None:
    before = clock.now()

    drive(only(Pause(0.25)))

    assert runtime.clock.now() == before + 0.25


async def test_waiting_lets_other_tasks_run() -> None:
    assert await adrive(only(Pause(0))) is None
