"""What counts as a stress, and what is too little to prove anything."""

from collections import Counter

import pytest

from tests.stress.figures import LOST, Figures


def figures(*, redis: bool = True) -> Figures:
    plenty = Counter({"killed": 30, "stopped": 30, "evicted": 30, "disconnected": 30, "emptied": 30, LOST: 3})
    counts = Counter({"local_hits": 1000, "redis_hits": 1000})
    return Figures(
        "a run",
        redis,
        reads=Counter({"near": 1000}),
        writes=Counter({"order": 100}),
        acts=plenty,
        counts=counts,
        far_hits=100,
        audits=Counter({"audited": 100}),
    )


def test_plenty_of_everything_lacks_nothing():
    assert figures().lacking() == []


@pytest.mark.parametrize("act", ["killed", "stopped", "evicted", "disconnected", "emptied"])
def test_what_was_never_done_is_lacking(act: str):
    run = figures()
    del run.acts[act]

    assert run.lacking() == [f"{act}: only 0"]


def test_a_redis_that_lost_no_server_is_lacking():
    run = figures()
    del run.acts[LOST]

    assert run.lacking() == ["servers lost: only 0"]


@pytest.mark.parametrize("tier", ["local", "redis"])
def test_a_cache_that_was_hardly_hit_is_lacking(tier: str):
    run = figures()
    run.counts[f"{tier}_hits"] = 5

    assert len(run.lacking()) == 1


def test_another_host_that_kept_nothing_is_lacking():
    run = figures()
    run.far_hits = 0

    assert len(run.lacking()) == 1


def test_auditors_that_saw_next_to_nothing_are_lacking():
    run = figures()
    run.audits = Counter({"audited": 3})

    assert run.lacking() == ["hits audited: only 3"]


def test_without_redis_nothing_is_asked_of_it():
    run = figures(redis=False)
    run.acts = Counter({"killed": 30, "stopped": 30})
    run.counts = Counter({"local_hits": 1000})

    assert run.lacking() == []
