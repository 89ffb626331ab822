"""One round: players read and write while chance kills, stops and starves them; then the judge speaks."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.prove.checker import Stale, lags, stale_reads
from tests.prove.commitlog import commits_all
from tests.prove.history import Ack, Done, ListRead, Read, events_read, now
from tests.prove.targets import Target
from tests.stress.figures import LOST, Figures
from tests.stress.players import Player, Surroundings
from tests.stress.server import Server

__all__ = ["Round"]

# Longer than anybody is stopped; not much longer, for what a killed writer wrote is not cached until it has run out.
_MARK_SECONDS: Final = 1.5
_STOPPED_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.06
# A sabotaged run ends soon after the first stale read.
_LOOK_SECONDS: Final = 0.5

_MORTALS: Final = ("victim", "martyr")


class Round:
    """Plays for `seconds` on some targets; it ends early when `until`, which is asked now and then, says so.

    `server` is None when the players have no Redis. `play` adds to `figures` and returns the stale reads.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        targets: list[Target],
        *,
        server: Server | None,
        far: Path,
        chance: random.Random,
        figures: Figures,
    ) -> None:
        self._surroundings = surroundings
        self._server = server
        self._far = far
        self._chance = chance
        self._figures = figures
        self._reading = targets
        self._writing = [target for target in targets if target.kind not in ("active", "page")]
        self._living: dict[str, Player] = {}
        self._wake: dict[str, float] = {}
        self._born: Counter[str] = Counter()
        self._end = self._middle = 0.0
        # When a lost server may return; 0: it is there.
        self._back_at = 0.0

    def play(self, seconds: float, until: Callable[[Round], object] | None = None) -> list[Stale]:
        began = now()
        self._end = began + seconds
        self._middle = began + seconds / 2
        looked = began
        over = False
        try:
            self._gather()
            while now() < self._end and not over:
                time.sleep(self._chance.uniform(0.001, _PAUSE_SECONDS))
                self._wake_up(all_of_them=False)
                self._come_back(at_once=False)
                self._act()
                if until is not None and now() > looked + _LOOK_SECONDS:
                    over = bool(until(self))
                    looked = now()
            self._wake_up(all_of_them=True)
            self._come_back(at_once=True)
            if not over:
                for player in list(self._living.values()):
                    player.end()
        finally:
            for player in self._living.values():
                player.put_down()
            self._come_back(at_once=True)
        found = self.stale()
        self._count(now() - began)
        return found

    # --- who plays ----------------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        for kind in ("near", "other", "writer", "scribe", "victim", "martyr"):
            self._bear(kind)
        if self._server is not None:
            self._bear("far")

    def _bear(self, kind: str) -> None:
        self._born[kind] += 1
        # A killed player's name is not used again: a journal of another process is another reader's.
        name = kind if kind in ("far", "near") else f"{kind}{self._born[kind]}"
        is_reader = kind in ("near", "other", "far")
        if is_reader:
            player = Player(name, "readers", self._reading, threads=2 if kind == "near" else 1, pause=0.001, looks=0.25)
        else:
            player = Player(name, "writers", self._writing, mark_seconds=_MARK_SECONDS)
        own = {"STAMPS_DIR": str(self._far)} if kind == "far" else {}
        player.start(self._surroundings, max(0.0, self._end - now()), **own)
        self._living[kind] = player
        self._wake.pop(kind, None)

    # --- what happens to them -----------------------------------------------------------------------------------------

    def _act(self) -> None:
        acts: dict[Callable[[], None], float] = {self._kill: 3, self._stop: 6, self._nothing: 6}
        if self._server is not None and not self._back_at:
            theirs = {self._flush: 0.5, self._lose: 0.3, self._evict: 1, self._disconnect: 1}
            acts.update({act: weight / self._server.seldom for act, weight in theirs.items()})
        (act,) = self._chance.choices(list(acts), list(acts.values()))
        if self._flush in acts and now() > self._middle:
            # What is rare by chance happens once in any run, however short or busy.
            done = self._figures.acts
            act = self._flush if not done["emptied"] else self._lose if not done[LOST] else act
        act()

    def _nothing(self) -> None:
        return

    def _kill(self) -> None:
        # Readers now and then, with whatever leases they hold.
        kind = self._chance.choices(("victim", "martyr", "other"), (5, 5, 1))[0]
        self._living[kind].kill()
        self._figures.acts["killed"] += 1
        self._bear(kind)

    def _stop(self) -> None:
        kind = self._chance.choice([kind for kind in self._living if kind not in self._wake] or [""])
        if kind:
            self._living[kind].stop()
            self._wake[kind] = now() + self._chance.uniform(0, _STOPPED_SECONDS)
            self._figures.acts["stopped"] += 1

    def _wake_up(self, *, all_of_them: bool) -> None:
        for kind, at in list(self._wake.items()):
            if all_of_them or now() >= at:
                self._living[kind].go_on()
                del self._wake[kind]

    def _lose_marks(self, lose: Callable[[], None]) -> None:
        # A mark lost and its writer killed within one COMMIT is what CAVEATS.md excepts: whoever may be killed is dead
        # before the marks go.
        for kind in _MORTALS:
            self._living[kind].kill()
        lose()
        for kind in _MORTALS:
            self._bear(kind)

    def _flush(self) -> None:
        assert self._server is not None
        self._lose_marks(self._server.flush)
        self._figures.acts["emptied"] += 1

    def _lose(self) -> None:
        assert self._server is not None
        loss = self._server.loss(self._chance)
        if loss.forgets:
            self._lose_marks(loss.lose)
        else:
            loss.lose()
        # Meanwhile everybody goes on, and may be killed or stopped.
        self._back_at = now() + self._chance.uniform(0, _AWAY_SECONDS)
        self._figures.acts.update((LOST, loss.name))

    def _come_back(self, *, at_once: bool) -> None:
        if self._server is None or not self._back_at:
            return
        if at_once:
            self._server.come_back()
        elif now() < self._back_at or not self._server.comes_back():
            return
        self._back_at = 0.0

    def _evict(self) -> None:
        assert self._server is not None
        self._figures.acts["evicted"] += self._server.evict()

    def _disconnect(self) -> None:
        assert self._server is not None
        self._server.disconnect()
        self._figures.acts["disconnected"] += 1

    # --- the judge ----------------------------------------------------------------------------------------------------

    def stale(self) -> list[Stale]:
        """Return the stale reads so far."""
        # Events first: what they speak of is in the log by then.
        events = list(events_read(self._surroundings.history))
        allowed = {"far": self._server.far_seconds} if self._server is not None else {}
        return stale_reads(commits_all(), events, allowed)

    def _count(self, seconds: float) -> None:
        figures = self._figures
        figures.seconds += seconds
        events = list(events_read(self._surroundings.history))
        for event in events:
            if isinstance(event, Read | ListRead):
                figures.reads[event.reader.partition(".")[0].rstrip("0123456789")] += 1
            elif isinstance(event, Ack):
                figures.writes[event.way] += 1
            elif isinstance(event, Done):
                figures.counts.update(event.counts)
                if event.name == "far":
                    figures.far_hits += event.counts["local_hits"]
        figures.lags += lags(commits_all(), events, "far")
