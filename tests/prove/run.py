"""One run in one mode: the company is gathered, the scenarios are played, chance has its turn, the judge speaks."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.console import Console

from caching.runtime import runtime
from tests.prove.cast import Actor, Troupe
from tests.prove.checker import Stale, stale_reads
from tests.prove.commitlog import commits_all
from tests.prove.history import Ack, ListRead, Read, events_read, now
from tests.prove.processes import Place
from tests.prove.report import Figures, report
from tests.prove.scenarios import SCENARIOS, Scenario, Stage
from tests.prove.shapes import Shape
from tests.prove.targets import ORGS, Target
from tests.prove.world import world_create

__all__ = ["Run"]

# The part of the time in which chance rules, after the scenarios.
_RANDOM_SHARE: Final = 0.5
# The random part is cut into pieces: in each everybody is after the same few values, and then the judge looks.
_PIECE_SECONDS: Final = 2.5
# However long the scenarios took on a busy machine, by then everybody has read.
_LEAST_SECONDS: Final = 2.0


class Run:
    """One run; `play` returns the exit code: 0 fresh, 1 stale reads, 2 nothing proved."""

    def __init__(
        self, place: Place, *, redis: Shape | None, seconds: float, sabotage: str, seed: str, console: Console
    ) -> None:
        self._place = place
        self._redis = redis
        self._seconds = seconds
        self._sabotage = sabotage
        self._seed = seed
        self._console = console
        self._chance = random.Random(seed)
        self._victims: list[tuple[Troupe, subprocess.Popen[bytes]]] = []
        self._born = 0
        self._played: Counter[str] = Counter()
        self._targets: list[Target] = []

    def play(self) -> int:
        # Slow starters first: they get ready while the database is made.
        site = self._place.site_start()
        alpha = self._troupe("command")
        far = self._troupe("far", elsewhere=True) if self._redis else None
        if not self._sabotage:
            # Sabotage is caught before anybody is killed, as a rule.
            self._victim_start()
        self._targets = world_create()
        self._place.site_wait(site)
        here = Troupe.here("harness", self._place.history, site)
        began = now()
        found = self._scenarios(here, alpha, far, end=began + self._seconds * (1 - _RANDOM_SHARE))
        if not (found and self._sabotage):
            found = self._random(here, alpha, far, end=began + self._seconds)
        figures = self._figures(here, far, now() - began)
        return report(self._console, figures, found, sabotage=self._sabotage, seed=self._seed)

    def _troupe(self, name: str, *, elsewhere: bool = False) -> Troupe:
        return Troupe.there(name, self._place.crew_start(name, elsewhere=elsewhere))

    def _victim_start(self) -> None:
        name = f"victim{self._born}"
        self._born += 1
        process = self._place.crew_start(name)
        self._victims.append((Troupe.there(name, process), process))

    def _victim(self) -> tuple[Troupe, subprocess.Popen[bytes]]:
        if not self._victims:
            self._victim_start()
        return self._victims.pop()

    def _check(self) -> list[Stale]:
        return stale_reads(commits_all(), events_read(self._place.history))

    # --- directed -----------------------------------------------------------------------------------------------------

    def _scenarios(self, here: Troupe, alpha: Troupe, far: Troupe | None, *, end: float) -> list[Stale]:
        fillers = [here.actor("thread"), alpha.actor("reader"), *([far.actor("reader")] if far else [])]
        stage = Stage(
            chance=self._chance,
            targets=self._targets,
            readers=[*fillers, here.actor("client", via="api"), here.actor("client2", via="api")],
            fillers=fillers,
            writers=[here.actor("writer"), alpha.actor("writer"), here.actor("writer2"), alpha.actor("writer2")],
            clients=[here.actor("api", via="api"), here.actor("admin", via="admin")],
            victim=self._victim,
            redis=self._redis,
        )
        possible = [each for each in SCENARIOS if self._redis or not each.needs_redis]
        for scenario in self._order(possible):
            scenario.play(stage, stage.target(scenario.kinds))
            self._played[scenario.play.__name__] += 1
            found = self._check()
            if found or (now() > end and self._played.total() >= len(possible)):
                break
        return found

    def _order(self, possible: list[Scenario]) -> Iterator[Scenario]:
        first = [each for each in possible if self._sabotage in each.exposes]
        rest = [each for each in possible if each not in first]
        while True:
            yield from (*first, *self._chance.sample(rest, len(rest)))

    # --- by chance ----------------------------------------------------------------------------------------------------

    def _random(self, here: Troupe, alpha: Troupe, far: Troupe | None, *, end: float) -> list[Stale]:
        readers = [
            here.actor("thread"),
            alpha.actor("reader"),
            alpha.actor("reader2"),
            here.actor("client", via="api"),
            here.actor("client2", via="api"),
            *([far.actor("reader")] if far else []),
        ]
        writers = [
            here.actor("writer"),
            alpha.actor("writer"),
            here.actor("api", via="api"),
            here.actor("admin", via="admin"),
        ]
        # However long the scenarios took, chance has its turn.
        end = max(end, now() + _LEAST_SECONDS)
        found: list[Stale] = []
        while not found and now() < end:
            seconds = min(_PIECE_SECONDS, max(1.0, end - now()))
            hot = self._hot()
            pages = [target for target in hot if target.kind in ("profile", "order")]
            for actor in readers:
                self._start(actor, "readers", hot, seconds)
            for actor in writers:
                self._start(actor, "writers", pages if actor.via == "admin" else hot, seconds)
            for actor in (*readers, *writers):
                actor.done(patience=seconds + 60)
            found = self._check()
        return found

    def _hot(self) -> list[Target]:
        """Choose an organisation, and one value of each kind of it."""
        org = self._chance.choice(ORGS)
        kinds = ("profile", "order", "active", "balance")
        own = [target for target in self._targets if target.org == org]
        return [self._chance.choice([target for target in own if target.kind == kind]) for kind in kinds]

    def _start(self, actor: Actor, what: str, targets: list[Target], seconds: float) -> None:
        seed = f"{self._seed}-{actor.name}-{self._chance.random()}"
        actor.start(what, *targets, seconds=seconds, seed=seed)

    # --- figures ------------------------------------------------------------------------------------------------------

    def _figures(self, here: Troupe, far: Troupe | None, seconds: float) -> Figures:
        figures = Figures(
            self._redis.title if self._redis else "", seconds, commits=len(commits_all()), scenarios=self._played
        )
        for event in events_read(self._place.history):
            if isinstance(event, Ack):
                figures.ways[event.way] += 1
                figures.writers[event.writer] += 1
            elif isinstance(event, Read | ListRead):
                figures.reads[event.reader] += 1
        for numbers in runtime.statistics.host().values():
            figures.local_hits += numbers["local_hits"]
            figures.redis_hits += numbers["redis_hits"]
            figures.misses += numbers["misses"]
        if far is not None:
            figures.redis_hits += far.actor("reader").do("counters")["redis_hits"]
        return figures
