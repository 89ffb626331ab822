"""The replay as an operator runs it."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from caching import MarkFailed
from restaurant.replay.gauge import Observation
from restaurant.replay.management.commands import replay_orders
from restaurant.replay.reads import TARGETS
from restaurant.replay.scratch import NotScratchError
from restaurant.replay.services import ReplayResult
from tests.factories import BusinessProfileFactory
from tests.restaurant.replay.days import day_make

GROUPS = ("profile", "orders", "balance", "billing")
RESULT = ReplayResult(
    org_id="true-one-replay",
    seconds=1.0,
    orders=3,
    events=19,
    observations=tuple(Observation(group, group, 1000, 0) for group in GROUPS),
    compared=("order",),
    stale=(),
    undecided=(),
    retried=(),
    waited=(),
    lost=(),
)


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("replay_orders", *(args or ("--org", "true-one", "--date", "2026-03-14")), stdout=out)
    return out.getvalue()


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let the replay give this result, or raise this."""

    def set_outcome(outcome: Any) -> None:
        def replay(*, advance: Callable[[int], object], **_: Any) -> ReplayResult:
            advance(19)
            if isinstance(outcome, BaseException):
                raise outcome
            result: ReplayResult = outcome
            return result

        monkeypatch.setattr(replay_orders, "replay_run", replay)

    return set_outcome


@pytest.mark.django_db(transaction=True)
def test_a_day_is_replayed_and_every_target_met(tiers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a day this short the first read of everything, always a miss, weighs more than in a true one.
    monkeypatch.setattr("restaurant.replay.report.TARGETS", dict.fromkeys(TARGETS, 0.6))
    day_make()

    told = json.loads(run("--org", "true-one", "--date", "2026-03-14", "--json"))

    assert told["passes"]
    assert (told["orders"], told["stale"], told["redis"]) == (3, 0, tiers == "with Redis")


@pytest.mark.django_db
def test_the_table_and_what_stands_below_are_printed(replayed: Callable[[Any], None]) -> None:
    day_make()
    replayed(RESULT)

    out = run()

    assert "95% met" in out
    assert "Till" in out
    assert "stale: 0" in out


@pytest.mark.django_db
@pytest.mark.parametrize(
    "spoilt", [replace(RESULT, stale=("order",)), replace(RESULT, observations=()), replace(RESULT, lost=(1,))]
)
def test_a_stale_read_a_missed_target_or_a_lost_order_is_an_error(
    replayed: Callable[[Any], None], spoilt: ReplayResult
) -> None:
    day_make()
    replayed(spoilt)

    with pytest.raises(CommandError, match="A target was missed, a read was stale or an order is lost") as raised:
        run()
    assert raised.value.returncode == 3


@pytest.mark.django_db
@pytest.mark.parametrize("error", [MarkFailed("no mark"), NotScratchError("an organisation of its own")])
def test_a_replay_that_fails_says_why(replayed: Callable[[Any], None], error: Exception) -> None:
    day_make()
    replayed(error)

    with pytest.raises(CommandError, match=f"The replay failed: {error}"):
        run()


@pytest.mark.django_db
def test_ctrl_c_ends_it_without_a_traceback(replayed: Callable[[Any], None]) -> None:
    day_make()
    replayed(KeyboardInterrupt())

    with pytest.raises(CommandError, match="Stopped before the end of the day") as raised:
        run()
    assert raised.value.returncode == 130


@pytest.mark.django_db
def test_an_organisation_may_be_called_by_its_business_name(replayed: Callable[[Any], None]) -> None:
    name = day_make().name
    replayed(RESULT)

    assert "stale: 0" in run("--org", name.upper(), "--date", "2026-03-14")


@pytest.mark.django_db
def test_an_unknown_organisation_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no organisation 'nobody'"):
        run("--org", "nobody", "--date", "2026-03-14")


@pytest.mark.django_db
def test_a_day_without_orders_is_refused_with_the_days_there_are() -> None:
    day_make()

    with pytest.raises(CommandError, match="no orders of 2026-03-15; there are some between 2026-03-14 and 2026-03-14"):
        run("--org", "true-one", "--date", "2026-03-15")


@pytest.mark.django_db
def test_an_organisation_without_any_order_is_refused() -> None:
    BusinessProfileFactory(org_id="new")

    with pytest.raises(CommandError, match="'new' has no orders yet"):
        run("--org", "new", "--date", "2026-03-14")


@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan"])
def test_an_impossible_speed_is_refused(speed: str) -> None:
    with pytest.raises(CommandError, match="The speed must be more than 0"):
        run("--org", "true-one", "--date", "2026-03-14", f"--speed={speed}")


def test_what_is_no_day_is_refused_with_an_example() -> None:
    with pytest.raises(CommandError, match="'18/05/2019' is no day; write it like 2019-05-18"):
        run("--org", "true-one", "--date", "18/05/2019")


@pytest.mark.parametrize("patience", ["-1", "inf", "nan", "soon"])
def test_impossible_patience_is_refused(patience: str) -> None:
    with pytest.raises(CommandError, match="is no number of seconds; write 0 or more"):
        run("--org", "true-one", "--date", "2026-03-14", f"--patience={patience}")


@pytest.mark.django_db
@pytest.mark.parametrize(("arguments", "expected"), [([], 60), (["--patience", "0"], 0), (["--patience=2.5"], 2.5)])
def test_patience_is_as_asked(monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: float) -> None:
    given: list[float] = []

    def replay(*, patience: float, **_: Any) -> ReplayResult:
        given.append(patience)
        return RESULT

    monkeypatch.setattr(replay_orders, "replay_run", replay)
    day_make()

    run("--org", "true-one", "--date", "2026-03-14", *arguments)

    assert given == [expected]
