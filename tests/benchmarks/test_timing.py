"""Who is called when; never how long anything took."""

import asyncio
import gc
from collections import Counter

import pytest

from benchmarks import timing
from benchmarks.timing import InLoop, compare, seconds_per_call


@pytest.fixture
def calls():
    """The names of the calls made, in their order."""
    return []


def noting(calls, *names):
    return {name: lambda name=name: calls.append(name) for name in names}


class TestSecondsPerCall:
    def test_it_calls_as_often_as_it_is_told(self, calls):
        seconds_per_call(lambda: calls.append("ours"), 7)

        assert len(calls) == 7

    def test_the_cost_of_the_loop_is_taken_off_and_the_rest_divided_among_the_calls(self, monkeypatch):
        # 100 s for the calls, then 20 s for the empty loop.
        readings = iter([0.0, 100.0, 200.0, 220.0])
        monkeypatch.setattr(timing.time, "perf_counter", lambda: next(readings))

        assert seconds_per_call(lambda: None, 4) == 20.0


class TestCompare:
    def test_everybody_has_as_many_rounds_as_asked_for(self, calls):
        found = compare(noting(calls, "ours", "peer"), rounds=5)

        assert {name: len(sample.rounds) for name, sample in found.items()} == {"ours": 5, "peer": 5}

    def test_nobody_does_two_rounds_before_the_others_have_done_one(self, calls):
        names = ("ours", "locmem", "dogpile")

        compare(noting(calls, *names), rounds=4, before=lambda: calls.append("before"))

        # With `before` a round is one call; what came earlier found out that.
        turns = [name for name in calls if name != "before"][-15:]
        assert [Counter(turns[at : at + 3]) for at in range(0, 15, 3)] == [Counter(names)] * 5

    def test_the_order_changes_from_round_to_round(self, calls):
        compare(noting(calls, "a", "b", "c"), rounds=20, before=lambda: None)

        assert len({tuple(calls[at : at + 3]) for at in range(0, len(calls), 3)}) > 1

    def test_what_must_come_before_comes_before_every_call(self, calls):
        compare(noting(calls, "ours", "peer"), rounds=3, before=lambda: calls.append("before"))

        assert calls[0::2] == ["before"] * 8
        assert Counter(calls[1::2]) == {"ours": 4, "peer": 4}

    def test_a_fast_call_is_made_many_times_a_round(self, calls):
        compare(noting(calls, "ours"), rounds=1, round_seconds=60)

        assert len(calls) > 2 * 20_000

    def test_a_slow_call_is_made_once_a_round(self, calls):
        compare(noting(calls, "ours"), rounds=3, round_seconds=0)

        found_out = len(calls) - 4
        assert 0 < found_out < 10

    def test_what_times_itself_is_asked_and_not_called(self):
        class Elsewhere:
            def seconds_per_call(self, calls):
                return 42.0

        assert compare({"ours": Elsewhere()}, rounds=2)["ours"].rounds == (42.0, 42.0)

    def test_garbage_is_collected_between_rounds_and_not_within(self):
        enabled = {"before": set(), "within": set()}

        compare(
            {"ours": lambda: enabled["within"].add(gc.isenabled())},
            rounds=2,
            before=lambda: enabled["before"].add(gc.isenabled()),
        )

        assert enabled == {"before": {True}, "within": {False}}
        assert gc.isenabled()

    def test_garbage_is_collected_again_after_a_call_that_failed(self):
        with pytest.raises(ZeroDivisionError):
            compare({"ours": lambda: 1 / 0}, rounds=1, before=lambda: None)

        assert gc.isenabled()


class TestInLoop:
    @pytest.fixture
    def runner(self):
        with asyncio.Runner() as runner:
            yield runner

    def test_a_coroutine_function_is_awaited_as_often_as_told(self, runner, calls):
        async def call():
            calls.append(asyncio.get_running_loop())

        InLoop(runner, call).seconds_per_call(3)

        assert calls == [runner.get_loop()] * 3

    def test_a_plain_function_is_called_in_the_loop(self, runner, calls):
        InLoop(runner, lambda: calls.append(asyncio.get_running_loop()), awaited=False).seconds_per_call(3)

        assert calls == [runner.get_loop()] * 3

    def test_called_it_returns_what_its_call_returns(self, runner):
        async def one():
            return 1

        assert InLoop(runner, one)() == 1
        assert InLoop(runner, lambda: 2, awaited=False)() == 2
