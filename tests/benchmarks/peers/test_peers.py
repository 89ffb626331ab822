"""Who is measured and who is not, and why."""

import pytest

from benchmarks.peers import absence, measure, proved
from benchmarks.results import Sample, Unable


class Elsewhere:
    """Times itself, and doubts itself if told to."""

    def __init__(self, seconds, doubt=None):
        self.seconds = seconds
        self.doubts = doubt

    def seconds_per_call(self, calls):
        return self.seconds

    def doubt(self):
        return self.doubts


class TestAbsence:
    def test_what_is_installed_is_not_absent(self):
        assert absence("Django", "django.core") is None

    @pytest.mark.parametrize("module", ["nobody_has_this", "nobody_has_this.inside"])
    def test_what_is_not_says_who_installs_it(self, module):
        assert absence("nobody", module) == Unable("nobody is not installed; `make bench` installs it.")


class TestProved:
    def test_a_call_that_returns_what_was_kept_is_measured(self):
        def call():
            return [1]

        assert proved(call, [1]) is call

    def test_one_that_does_not_is_not(self):
        assert isinstance(proved(lambda: None, [1]), Unable)


class TestMeasure:
    def test_those_that_are_able_are_timed_and_the_others_keep_their_reason_in_the_order_given(self):
        why = Unable("It is asleep.")

        found = measure({"ours": Elsewhere(1.0), "asleep": why, "peer": Elsewhere(2.0)}, rounds=2)

        assert list(found.items()) == [("ours", Sample((1.0, 1.0))), ("asleep", why), ("peer", Sample((2.0, 2.0)))]

    def test_a_plain_call_is_timed(self):
        assert len(measure({"ours": lambda: None}, rounds=3)["ours"].rounds) == 3

    def test_figures_that_are_doubted_afterwards_are_not_shown(self):
        why = Unable("It was no hit.")

        assert measure({"ours": Elsewhere(1.0, why), "peer": Elsewhere(1.0)}, rounds=1) == {
            "ours": why,
            "peer": Sample((1.0,)),
        }

    def test_a_call_that_does_the_work_of_many_is_shown_for_one(self):
        assert measure({"ours": Elsewhere(50.0)}, rounds=1, per=100) == {"ours": Sample((0.5,))}

    def test_what_must_come_before_comes_before_each_call(self):
        calls = []

        measure({"ours": lambda: calls.append("call")}, rounds=2, before=lambda: calls.append("before"))

        assert calls == ["before", "call"] * 3
