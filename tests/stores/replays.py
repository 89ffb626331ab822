"""One day played on real servers, which may be stopped in the middle of it: what came of that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from tests.scratch import scratch_directory

__all__ = ["FILE", "Interruption", "PlayError", "Played", "play"]

_ROOT = Path(__file__).resolve().parents[2]
#: Real orders; a day is made up where there are none.
FILE = _ROOT.parent / "shared" / "data" / "restaurant-1-orders.csv"

# So many times as fast as the day was: some ten seconds, in which a server can go and come back.
_SPEED = 3000.0
_MOST_SECONDS = 300.0
_WHAT_IT_SAYS_LAST = 2000


class PlayError(Exception):
    """The day was not played to its end, or nobody noticed that the server was stopped, or that it was back."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """`stop` stops a server in the middle of the day; `resume` brings it back once one of `noticed` is logged.

    Where there are events that say that the site uses it again, one of these `recovered` must come before the day ends.
    """

    stop: Callable[[], object]
    resume: Callable[[], object]
    noticed: frozenset[str]
    recovered: frozenset[str] = frozenset()

    def steps(self) -> list[_Step]:
        """Return what is to happen, in this order."""
        steps = [
            _Step(_is_middle, self.stop, "The day has no middle."),
            _Step(_tells(self.noticed), self.resume, "Nobody noticed that the server was stopped."),
        ]
        if self.recovered:
            steps.append(_Step(_tells(self.recovered), lambda: None, "Nobody used the server again."))
        return steps


class _Step(NamedTuple):
    """What is done once the player says what it waits for, and what has gone wrong if it never does."""

    is_due: Callable[[Mapping[str, Any]], bool]
    act: Callable[[], object]
    otherwise: str


def _is_middle(said: Mapping[str, Any]) -> bool:
    return bool(2 * said.get("done", 0) >= said.get("of", 1))


def _tells(events: frozenset[str]) -> Callable[[Mapping[str, Any]], bool]:
    return lambda said: said.get("event") in events


@dataclass(frozen=True, slots=True)
class Played:
    """A day that was played. `report` is that of `replay_orders --json`, with `customers` and `unbalanced` besides.

    `unbalanced` are customers whose balance is not what their ledger, and what their bills and payments, add up to.
    """

    report: Mapping[str, Any]

    @property
    def is_true(self) -> bool:
        """Whether nothing was stale, every order is there, and every balance agrees with the ledger."""
        return not any(self.report[name] for name in ("stale", "lost_orders", "unbalanced"))

    @property
    def meets_targets(self) -> bool:
        return all(group["meets_target"] for group in self.report["groups"])

    def of(self, group: str, what: str) -> Any:
        """Return a figure of a group of reads, such as `hit_rate` or `miss_p50_us`."""
        return next(each[what] for each in self.report["groups"] if each["group"] == group)


def play(environment: Mapping[str, str], interruption: Interruption | None = None) -> Played:
    """Play the day in a process with that environment; raises PlayError."""
    report: dict[str, Any] | None = None
    steps = [] if interruption is None else interruption.steps()
    with _player(environment, hurried=interruption is None) as lines:
        for line in lines:
            said = json.loads(line)
            if steps and steps[0].is_due(said):
                steps.pop(0).act()
            report = said.get("report", report)
    if report is None:
        raise PlayError("The day was not played to its end.")
    if steps:
        raise PlayError(steps[0].otherwise)
    return Played(report)


@contextmanager
def _player(environment: Mapping[str, str], *, hurried: bool) -> Iterator[Iterator[str]]:
    folder = scratch_directory("fast-access-play-")
    (folder / "stamps").mkdir()
    try:
        with _process(folder, environment, hurried=hurried) as lines:
            yield lines
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _process(folder: Path, environment: Mapping[str, str], *, hurried: bool) -> Iterator[Iterator[str]]:
    command = [sys.executable, "-m", "tests.stores.player"]
    command += ["--orders", str(FILE)] if FILE.exists() else []
    command += [] if hurried else ["--speed", str(_SPEED)]
    site = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "REDIS_URL": "",
        "DJANGO_VAR_DIR": str(folder),
        "CACHING_STAMPS_DIR": str(folder / "stamps"),
        **environment,
    }
    with (folder / "errors").open("w+") as errors:
        process = subprocess.Popen(command, cwd=_ROOT, env=site, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        alarm = Timer(_MOST_SECONDS, process.kill)
        alarm.start()
        try:
            yield iter(process.stdout)
            code = process.wait()
        finally:
            alarm.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        if code:
            errors.seek(0)
            why = "it took too long" if code == -signal.SIGKILL else errors.read()[-_WHAT_IT_SAYS_LAST:]
            raise PlayError(f"The day was not played to its end: {why}")
