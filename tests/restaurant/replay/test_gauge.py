"""The comparison with the database finds what is stale, and raises no false alarm under writers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from restaurant.profiles.models import User
from restaurant.replay.gauge import Gauge, WriteLog
from restaurant.replay.reads import Read


def answers(values: Sequence[Any], meanwhile: Callable[[], object] = lambda: None) -> Callable[[], Any]:
    remaining: Iterator[Any] = iter(values)

    def answer() -> Any:
        meanwhile()
        return next(remaining)

    return answer


def read(cached: Callable[[], Any], stored: Callable[[], Any]) -> Read:
    return Read("orders", "order", cached, stored)


@pytest.fixture
def writes() -> WriteLog:
    return WriteLog()


@pytest.fixture
def gauge(writes: WriteLog) -> Gauge:
    return Gauge(writes, seed=1)


def test_a_hit_that_equals_the_database_is_fresh(gauge: Gauge) -> None:
    gauge.compare(read(lambda: 1, lambda: 1))

    assert (gauge.compared, gauge.stale, gauge.undecided) == (["order"], [], [])


def test_a_hit_that_the_database_never_said_is_stale_when_nobody_writes(gauge: Gauge) -> None:
    gauge.compare(read(lambda: 0, lambda: 1))

    assert (gauge.compared, gauge.stale) == (["order"], ["order"])


def test_a_hit_may_be_what_one_writer_just_replaced_or_has_just_written(gauge: Gauge, writes: WriteLog) -> None:
    with writes.writing():
        gauge.compare(read(lambda: "old", answers(["old", "new"])))
        gauge.compare(read(lambda: "new", answers(["old", "new"])))

    assert len(gauge.compared) == 2
    assert gauge.stale == []


def test_a_hit_older_than_what_was_committed_before_it_is_stale_even_while_one_writer_is_under_way(
    gauge: Gauge, writes: WriteLog
) -> None:
    with writes.writing():
        gauge.compare(read(lambda: "older", answers(["old", "new"])))

    assert gauge.stale == ["order"]


def test_with_several_writers_a_state_in_between_is_no_alarm_and_is_compared_again(
    gauge: Gauge, writes: WriteLog
) -> None:
    def write() -> None:
        with writes.writing():
            pass

    gauge.compare(read(answers(["between", "new"]), answers(["old", "new", "new", "new"], meanwhile=write)))

    assert (gauge.compared, gauge.stale, gauge.undecided) == (["order"], [], [])
    assert len(gauge.observations) == 1


def test_what_never_can_be_decided_is_counted(gauge: Gauge, writes: WriteLog) -> None:
    with writes.writing(), writes.writing():
        gauge.compare(read(lambda: 0, lambda: 1))

    assert (gauge.compared, gauge.stale, gauge.undecided) == ([], [], ["order"])


@pytest.mark.django_db
def test_a_miss_is_known_by_its_queries_and_needs_no_comparison(gauge: Gauge) -> None:
    def query() -> int:
        return User.objects.count()

    with gauge.counting():
        gauge.compare(read(query, lambda: 1))

    assert [each.queries for each in gauge.observations] == [1]
    assert (gauge.compared, gauge.stale) == ([], [])


def test_a_share_of_the_reads_is_compared_and_each_is_observed_once(gauge: Gauge) -> None:
    gauge.read(read(lambda: 1, lambda: 1), times=400)

    assert len(gauge.observations) == 400
    assert 20 < len(gauge.compared) < 100


def test_writes_are_counted_that_were_under_way_at_any_moment_since(writes: WriteLog) -> None:
    with writes.writing():
        pass
    with writes.writing():
        overlapping = writes.watch()
    with writes.writing():
        pass

    assert overlapping() == 2
    assert writes.watch()() == 0
