"""`follow_writes` installs triggers, says which there are, and follows until it is told to end."""

from __future__ import annotations

import json
import os
import signal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from caching.around.follower import Follower
from caching.around.postgresql import Listener
from tests.caching.around.conftest import Program, pg, program  # noqa: F401 -- fixtures
from tests.shop.cached import shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sql]


def _call(*arguments: str) -> str:
    out = StringIO()
    call_command("follow_writes", "--database", "postgresql", *arguments, stdout=out)
    return out.getvalue()


def _states(*arguments: str) -> set[str]:
    return set(json.loads(_call(*arguments, "--json"))["tables"].values())


@pytest.mark.usefixtures("pg")
def test_triggers_are_installed_shown_and_removed() -> None:
    with pytest.raises(CommandError, match="--install") as caught:
        _call("--status")
    assert caught.value.returncode == 3
    with pytest.raises(CommandError, match="Not all tables") as caught:
        _call()
    assert caught.value.returncode == 1
    assert _states("--install") == {"installed"}
    assert "shop_shop: installed\n" in _call("--status")
    assert _states("--remove") == {"missing"}


def test_a_database_that_there_is_not_is_named() -> None:
    with pytest.raises(CommandError, match="There is no database 'nowhere'"):
        call_command("follow_writes", "--database", "nowhere")


@pytest.mark.parametrize("written", [[], ["--json"]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_after_an_error_until_it_is_told_to_end(
    pg: str,  # noqa: F811 -- the fixture
    program: Program,  # noqa: F811 -- the fixture
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    written: list[str],
) -> None:
    _call("--install")
    step, wait = Follower.step, Listener.wait
    rounds: list[int] = []

    def failing_once(self: Listener, seconds: float) -> object:
        if len(rounds) == 1:
            rounds.append(0)
            raise OperationalError("gone")
        return wait(self, seconds)

    def write_then_end(self: Follower, seconds: float = 30) -> int:
        followed = step(self, seconds)
        rounds.append(followed)
        if len(rounds) == 3:
            assert shop.get("corner", using=pg).name == "old"
            program("UPDATE shop_shop SET name = 'new' WHERE slug = 'corner'")
        elif followed:
            os.kill(os.getpid(), number)
        return followed

    monkeypatch.setattr(Listener, "wait", failing_once)
    monkeypatch.setattr(Follower, "step", write_then_end)
    before = signal.getsignal(number)
    said = _call(*written)
    assert signal.getsignal(number) is before
    assert rounds == [0, 0, 0, 1]
    if written:
        assert json.loads(said) == {"followed": 1, "cleared": 2}
    else:
        assert said.splitlines()[0].startswith("Following the writes in ")
        assert said.splitlines()[-1] == "Ended. Followed 1 writes."
    assert shop.get("corner", using=pg).name == "new"
