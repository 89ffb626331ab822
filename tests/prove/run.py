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
from tests.prove.history import Ack, events_read, now
from tests.prove.processes import Place
from tests.prove.report import Figures, report
from tests.prove.scenarios import SCENARIOS, Scenario, Stage
from tests.prove.targets import Target
from tests.prove.world import world_create

__all__ = ["Run"]

# The part of the time in which chance rules, after the scenarios.
_RANDOM_SHARE: Final = 0.5
# The random part is cut into pieces, so that a sabotaged run ends soon after it is caught.
_PIECE_SECONDS: Final = 2.0


class Run:
    """One run; `play` returns the exit code: 0 fresh, 1 stale reads, 2 nothing proved."""

    def __init__(
        self, place: Place, *, redis: bool, seconds: float, sabotage: str, seed: str, console: Console
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
        self._counts: Counter[str] = Counter()
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
            victim=self._victim,
        )
        for scenario in self._order():
            scenario.play(stage, stage.target(scenario.kinds))
            self._played[scenario.play.__name__] += 1
            found = self._check()
            if found or (now() > end and len(self._played) >= len({each.play for each in SCENARIOS})):
                break
        return found

    def _order(self) -> Iterator[Scenario]:
        first = [each for each in SCENARIOS if self._sabotage in each.exposes]
        while True:
            rest = [each for each in SCENARIOS if each not in first]
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
        paged = [target for target in self._targets if target.kind in ("profile", "order")]
        writers = [
            (here.actor("writer"), self._targets),
            (alpha.actor("writer"), self._targets),
            (here.actor("api", via="api"), self._targets),
            (here.actor("admin", via="admin"), paged),
        ]
        found: list[Stale] = []
        while not found and now() < end:
            seconds = min(_PIECE_SECONDS, max(0.5, end - now())) if self._sabotage else max(1.0, end - now())
            for actor in readers:
                self._start(actor, "readers", self._targets, seconds)
            for actor, targets in writers:
                self._start(actor, "writers", targets, seconds)
            for actor in (*readers, *(actor for actor, _ in writers)):
                self._counts.update(actor.done(patience=seconds + 60))
            found = self._check()
        return found

    def _start(self, actor: Actor, what: str, targets: list[Target], seconds: float) -> None:
        seed = f"{self._seed}-{actor.name}-{self._chance.random()}"
        actor.start(what, *targets, seconds=seconds, seed=seed)

    # --- figures ------------------------------------------------------------------------------------------------------

    def _figures(self, here: Troupe, far: Troupe | None, seconds: float) -> Figures:
        ways = Counter(self._counts)
        ways.pop("reads", None)
        figures = Figures(
            redis=self._redis, seconds=seconds, commits=len(commits_all()), ways=ways, scenarios=self._played
        )
        for event in events_read(self._place.history):
            if isinstance(event, Ack):
                figures.writes += 1
            else:
                figures.reads[event.reader] += 1
        for numbers in runtime.statistics.host().values():
            figures.local_hits += numbers["local_hits"]
            figures.redis_hits += numbers["redis_hits"]
            figures.misses += numbers["misses"]
        if far is not None:
            figures.redis_hits += far.actor("reader").do("counters")["redis_hits"]
        return figures
