"""Redis goes away in the middle of a commit: it has heard of the mark, and not that the commit is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caching.models import PendingInvalidation
from caching.runtime import runtime
from tests.faults.proxy import Answerless, BlackHole, CutAnswer, Fault, Later, LostAnswer, Proxy, Reset
from tests.faults.servers import Server
from tests.faults.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(server: Server, proxy: Proxy, set_stage: Callable[..., Stage]) -> Stage:
    return set_stage(server, proxy, server.port, budget=0.2)


@pytest.mark.parametrize("answers", [0, 1], ids=["at the mark", "after the mark"])
@pytest.mark.parametrize(
    "fault",
    [BlackHole(), Answerless(), Reset(), LostAnswer(), CutAnswer(1, closes=False)],
    ids=lambda each: type(each).__name__,
)
def test_a_commit_in_which_redis_goes_away_is_told_later(stage: Stage, fault: Fault, answers: int) -> None:
    stage.write()
    stage.settle()
    stage.check_elsewhere()
    stage.proxy.suffer(Later(answers, fault))
    stage.write_once()
    assert not runtime.breaker.closed
    assert PendingInvalidation.objects.exists()
    stage.check_all()
    stage.check_elsewhere()
    assert not PendingInvalidation.objects.exists()
    stage.proxy.heal()
    stage.settle()
