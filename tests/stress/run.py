"""A world, a server, and the same violence twice: on the protocol as it is, and with a part of it switched off."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import connections
from rich.console import Console

from caching.runtime import runtime
from tests.prove.checker import Stale
from tests.prove.commitlog import commits_forget
from tests.prove.processes import Place
from tests.prove.shapes import Shape
from tests.prove.targets import Target
from tests.prove.world import world_create
from tests.stress.audits import AUDITING, audits
from tests.stress.chaos import Round
from tests.stress.figures import Figures
from tests.stress.kills import Kills
from tests.stress.players import Surroundings
from tests.stress.server import Server

__all__ = ["Run"]

_FRESH: Final = 0
_STALE: Final = 1
_NOTHING_PROVED: Final = 2

_ORGS: Final = ("trattoria", "bistro", "osteria", "cantina")
# In each round everybody is after the same few values, and afterwards the judge looks.
_ROUND_SECONDS: Final = 10.0
_HOT_ORGS: Final = 2
_BROKEN_KILLS: Final = 30
# With this switched off old values stay, which is what auditors are for.
_DEAF: Final = "invalidation"
# Of the writers killed, at least that part has committed, and as many have not.
_SPREAD: Final = 8


class Run:
    """`stress` and `kills` return an exit code: 0 fresh and the sabotage caught, 1 not so, 2 nothing proved."""

    def __init__(self, place: Place, *, seed: str, broken_seconds: float, console: Console) -> None:
        self._place = place
        self._seed = seed
        self._broken_seconds = broken_seconds
        self._console = console
        self._chance = random.Random(seed)
        # This process forks, and has no threads.
        settings.CACHING = {**settings.CACHING, "BACKGROUND": False}
        self._targets = world_create(_ORGS)
        connections.close_all()
        runtime.reset()
        # What children do not touch they need not copy.
        gc.collect()
        gc.freeze()

    def stress(self, seconds: float, *, redis: Shape | None, sabotage: str) -> int:
        """Play for so long, then with the sabotage until it is caught."""
        ours = self._mode("as it is", redis)
        code = self._verdict(ours, self._rounds(ours, redis, seconds))
        broken = self._mode(f"without its {sabotage}", redis)
        found = self._rounds(broken, redis, self._broken_seconds, sabotage, until=Round.stale)
        broken.print(self._console, found)
        noticed = self._noticed(redis) if redis is None or redis.can_alarm else True
        return max(code, _FRESH if found else _STALE, _FRESH if noticed else _STALE)

    def _noticed(self, redis: Shape | None) -> bool:
        """Play without any invalidation; return whether the auditors notice, who know nothing of the judge."""
        before, deaf = audits(self._place.far), self._mode(f"without its {_DEAF}", redis)
        self._rounds(
            deaf,
            redis,
            self._broken_seconds,
            _DEAF,
            until=lambda _: audits(self._place.far)["violations"] > before["violations"],
        )
        audited, old = deaf.audits["audited"], deaf.audits["violations"]
        self._console.print(
            f"[bold]{deaf.title}[/]: the auditors raised the alarm after {deaf.seconds:.1f} s "
            f"({audited} hits audited, {old} old)"
            if old
            else f"[red]{deaf.title}[/]: no alarm in {deaf.seconds:.1f} s ({audited} hits audited)"
        )
        return old > 0

    def kills(self, count: int, *, redis: Shape | None, sabotage: str) -> int:
        """Kill so many writers, then some with the sabotage; afterwards everything must be cached again."""
        ours, broken = self._mode("as it is", redis), self._mode(f"without its {sabotage}", redis)
        played = self._killed(ours, redis, count, "")
        ours.print(self._console, played.found)
        for target in played.uncached:
            self._console.print(f"  [red]{target.key} was not cached again[/]")
        code = max(_STALE if played.found or played.uncached else _FRESH, self._false_alarms(ours))
        if min(ours.acts["committed"], ours.acts["not committed"]) < count // _SPREAD:
            self._console.print("  [red]proves nothing[/]: almost all were killed on the same side of their COMMIT")
            code = max(code, _NOTHING_PROVED)
        caught = self._killed(broken, redis, min(count, _BROKEN_KILLS), sabotage).found
        broken.print(self._console, caught)
        return max(code, _FRESH if caught else _STALE)

    def _killed(self, figures: Figures, redis: Shape | None, count: int, sabotage: str) -> Kills:
        kills = Kills(
            self._surroundings(redis, sabotage),
            self._hot(redis),
            far=self._place.far if redis else None,
            far_seconds=redis.far_seconds if redis else 0.0,
            chance=self._chance,
            figures=figures,
        )
        before = audits(self._place.far)
        kills.play(count)
        figures.audits = audits(self._place.far) - before
        self._forget()
        return kills

    def _surroundings(self, redis: Shape | None, sabotage: str) -> Surroundings:
        # Generous for a busy machine, and yet nobody waits for a dead server for long.
        caching = {
            "LEASE_SECONDS": 1.0,
            "REDIS_BUDGET_SECONDS": 0.5,
            "REST_BUDGET_SECONDS": 3.0,
            **AUDITING,
            **({} if redis else {"REDIS_ALIAS": None, "REST_URL": None, "REST_TOKEN": None}),
        }
        return Surroundings(self._place.history, self._seed, sabotage, caching)

    def _mode(self, variant: str, redis: Shape | None) -> Figures:
        where = redis.title if redis else "without Redis"
        return Figures(f"{where}, the protocol {variant}", redis is not None)

    def _verdict(self, figures: Figures, found: list[Stale]) -> int:
        figures.print(self._console, found)
        if found or self._false_alarms(figures):
            return _STALE
        lacking = figures.lacking()
        for lack in lacking:
            self._console.print(f"  [red]proves nothing[/]: {lack}")
        return _NOTHING_PROVED if lacking else _FRESH

    def _false_alarms(self, figures: Figures) -> int:
        alarms = figures.audits["violations"]
        if alarms:
            self._console.print(f"  [red]the auditors raised {alarms} false alarms[/]")
        return _STALE if alarms else _FRESH

    def _rounds(
        self,
        figures: Figures,
        redis: Shape | None,
        seconds: float,
        sabotage: str = "",
        *,
        until: Callable[[Round], object] | None = None,
    ) -> list[Stale]:
        server = Server(redis) if redis else None
        surroundings = self._surroundings(redis, sabotage)
        found: list[Stale] = []
        before, over = audits(self._place.far), False
        while figures.seconds < seconds - 0.5 and not over:
            each = Round(
                surroundings,
                self._hot(redis),
                server=server,
                far=self._place.far,
                chance=self._chance,
                figures=figures,
            )
            length = min(_ROUND_SECONDS, seconds - figures.seconds)
            found = each.play(length, until)
            over = bool(found if until is None else until(each))
            self._forget()
        figures.audits = audits(self._place.far) - before
        return found

    def _forget(self) -> None:
        """Leave to what is played next a history of its own."""
        commits_forget()
        connections.close_all()
        for path in self._place.history.iterdir():
            path.unlink()

    def _hot(self, redis: Shape | None) -> list[Target]:
        orgs = self._chance.sample(_ORGS, redis.orgs if redis else _HOT_ORGS)
        hot = []
        for org in orgs:
            own = [target for target in self._targets if target.org == org]
            for kind in sorted({target.kind for target in own}):
                these = [target for target in own if target.kind == kind]
                hot += self._chance.sample(these, min(2, len(these)))
        return hot
