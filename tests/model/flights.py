"""Single flight: whose result may a reader take that came while another was reading already?

Threads of one process read the key. Steps: `Flights.board` and `land` (`caching/flights.py`), and between them
those of `Reading._find`, `_join` and `_landing`. The first that comes leads a flight; others join it, or, when they
may not take its result, the one after that; then they read for themselves. The writer is on the same host (it changes
the stamps) or on another one (pushes do, late; once trust in the listener has lapsed nothing says so).

Violations: A and C as in `redis_protocol.py`; with the writer on another host L, older than what was acknowledged when
the read began, though every push had been heard or trust had lapsed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Breach, Case, Step, put
from tests.model.host_memory import WITH_REDIS, WITHOUT_REDIS
from tests.model.reading import Reader, ask_redis, returned
from tests.model.server import EMPTY, Server, mark, unmark

__all__ = ["CASES", "Flights"]

_ELSEWHERE = ("mark", "commit", "unmark")
_NOBODY = -1


class Thread(NamedTuple):
    """`at` is "begin", "board", "wait", "fly" (the reader's step says where), "land", "landing" or "done"."""

    at: str = "begin"
    reader: Reader = Reader(at="note")
    #: Who leads the flight it joined; the flights it has waited for; and whether others may take what it found.
    seat: int = _NOBODY
    round: int = 0
    kept: bool = False
    accepted: bool = False
    #: It saw the flight that it joined begin.
    fresh: bool = False


_DONE = Thread(at="done")


class State(NamedTuple):
    server: Server
    table: frozenset[int]
    database: int
    acked: int
    #: Who leads the flight that can be joined.
    open: int
    threads: tuple[Thread, ...]
    writer: int
    pushes: int
    trusted: bool

    def bumped(self) -> State:
        threads = tuple(each._replace(reader=each.reader._replace(noted=False)) for each in self.threads)
        return self._replace(threads=threads)


@dataclass(frozen=True)
class Flights:
    """Ours, unless a field says what is broken."""

    steps_of_writer: tuple[str, ...] = WITHOUT_REDIS
    threads: int = 2
    #: The listener may lose its connection.
    cut: bool = False

    #: Those who join take only what was accepted; only what was kept, and under stamps that still stand, is.
    asks_whether_accepted: bool = True
    asks_whether_kept: bool = True
    asks_for_stamps: bool = True
    asks_for_trust: bool = True
    #: Whether it was accepted is asked when nobody can join any more.
    judged_when_closed: bool = True
    #: Who has waited in vain does not take the same flight for a later one.
    knows_the_flight: bool = True

    @property
    def start(self) -> State:
        return State(EMPTY, frozenset(), 0, 0, _NOBODY, (Thread(),) * self.threads, 0, 0, True)

    @property
    def redis(self) -> bool:
        return "mark" in self.steps_of_writer

    def steps(self, state: State) -> Iterator[Step]:
        for who in range(len(state.threads)):
            yield from self._read(state, who)
        yield from self._write(state)
        if state.pushes:
            yield "a push is heard", state._replace(pushes=state.pushes - 1).bumped(), None
        if self.cut and state.trusted:
            yield "trust lapses", state._replace(trusted=False, pushes=0), None

    # --- readers ------------------------------------------------------------------------------------------------------

    def _read(self, state: State, who: int) -> Iterator[Step]:
        thread, name = state.threads[who], f"reader {who}"
        reader = thread.reader
        if thread.at == "begin":
            due = state.acked if not state.trusted or not state.pushes else 0
            began = reader._replace(acked=state.acked, committed=state.database, due=due)
            yield f"{name} begins", self._moved(state, who, thread._replace(at="board", reader=began)), None
        elif thread.at == "board":
            yield from self._board(state, who)
        elif thread.at == "wait":
            left = thread._replace(at="board", round=thread.round + 1)
            if self.knows_the_flight:
                left = left._replace(round=2, seat=_NOBODY)
            yield f"{name} waits no longer", self._moved(state, who, left), None
        elif thread.at == "fly":
            yield from self._fly(state, who)
        elif thread.at == "land":
            yield from self._land(state, who)
        elif thread.at == "landing":
            yield self._landed(state, who)

    def _board(self, state: State, who: int) -> Iterator[Step]:
        thread, name = state.threads[who], f"reader {who}"
        flying = thread._replace(at="fly", seat=_NOBODY, fresh=False)
        if thread.round == 2:
            yield f"{name} reads for itself", self._moved(state, who, flying), None
        elif state.open == _NOBODY:
            yield f"{name} leads", self._moved(state._replace(open=who), who, flying), None
        else:
            joined = thread._replace(at="wait", seat=state.open, fresh=thread.round > 0)
            yield f"{name} joins reader {state.open}", self._moved(state, who, joined), None

    def _fly(self, state: State, who: int) -> Iterator[Step]:
        thread, name = state.threads[who], f"reader {who}"
        reader = thread.reader
        if reader.at == "note":
            yield f"{name} notes the stamps", self._at(state, who, reader._replace(at="ask", noted=True)), None
        elif reader.at == "ask":
            barred = bool(state.table)
            onward = "load" if barred or not self.redis else "look"
            yield f"{name} looks for records", self._at(state, who, reader._replace(at=onward, barred=barred)), None
        elif reader.at == "load" and not self.redis:
            loaded = reader._replace(at="answer" if reader.barred else "keep", version=state.database)
            yield from self._answered(state, who, "loads", loaded)
        else:
            for action, server, after in ask_redis(state.server, state.database, who, reader):
                left = state._replace(server=server)
                if after.at in ("keep", "answer"):
                    yield from self._answered(left, who, action, after)
                else:
                    yield f"{name} {action}", self._at(left, who, after), None

    def _answered(self, state: State, who: int, action: str, reader: Reader) -> Iterator[Step]:
        thread, name = state.threads[who], f"reader {who}"
        breach = self._judged(reader, name)
        leads = state.open == who
        flown = thread._replace(
            at="land", kept=reader.at == "keep", reader=reader._replace(at="", acked=0, committed=0, due=0)
        )
        yield f"{name} {action}", self._moved(state, who, flown if leads else _DONE), breach

    def _land(self, state: State, who: int) -> Iterator[Step]:
        thread, name = state.threads[who], f"reader {who}"
        if self.judged_when_closed:
            closed = state._replace(open=_NOBODY)
            yield f"{name} lets nobody join any more", self._moved(closed, who, thread._replace(at="landing")), None
        else:
            accepted = thread._replace(at="landing", accepted=self._accepted(state, thread))
            yield f"{name} judges its result", self._moved(state, who, accepted), None

    def _accepted(self, state: State, thread: Thread) -> bool:
        kept = thread.kept or not self.asks_whether_kept
        stands = thread.reader.noted or not self.asks_for_stamps
        return kept and stands and (state.trusted or not self.asks_for_trust)

    def _landed(self, state: State, who: int) -> Step:
        """Everybody on board gets the result, and takes it or boards anew."""
        thread = state.threads[who]
        accepted = thread.accepted if not self.judged_when_closed else self._accepted(state, thread)
        accepted = accepted or not self.asks_whether_accepted
        left, breach = state._replace(open=_NOBODY if state.open == who else state.open), None
        for index, each in enumerate(state.threads):
            if each.at == "wait" and each.seat == who:
                if accepted or each.fresh:
                    breach = breach or self._judged(
                        each.reader._replace(version=thread.reader.version), f"reader {index}"
                    )
                    left = self._moved(left, index, _DONE)
                else:
                    again = each._replace(at="board", round=each.round + 1, seat=_NOBODY, fresh=False)
                    left = self._moved(left, index, again)
        return f"the flight of reader {who} lands", self._moved(left, who, _DONE), breach

    def _judged(self, reader: Reader, name: str) -> Breach | None:
        breach = returned(reader, name)
        if breach is None or self.steps_of_writer is not _ELSEWHERE:
            return breach
        if reader.version < reader.due:
            return "L", f"{name} returns {reader.version}, {reader.due} was due when it began"
        return None

    def _moved(self, state: State, who: int, thread: Thread) -> State:
        return state._replace(threads=put(state.threads, who, thread))

    def _at(self, state: State, who: int, reader: Reader) -> State:
        return self._moved(state, who, state.threads[who]._replace(reader=reader))

    # --- the writer ---------------------------------------------------------------------------------------------------

    def _write(self, state: State) -> Iterator[Step]:
        if state.writer == len(self.steps_of_writer):
            return
        step, server, left = self.steps_of_writer[state.writer], state.server, state._replace(writer=state.writer + 1)
        if step == "pend":
            left = left._replace(table=frozenset({0}))
        elif step == "unpend":
            left = left._replace(table=frozenset())
        elif step == "bump":
            left = left.bumped()
        elif step == "commit":
            left = left._replace(database=1)
        else:
            left = left._replace(server=(mark if step == "mark" else unmark)(server, 0))
            if self.steps_of_writer is _ELSEWHERE and state.trusted:
                left = left._replace(pushes=state.pushes + 1)
        if left.writer == len(self.steps_of_writer):
            left = left._replace(acked=1)
        yield f"writer: {step}", left, None

    # --- judging ------------------------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> Breach | None:
        if any(each.at != "done" for each in state.threads):
            return "S", "a reader waits for ever"
        return None

    def canonical(self, state: State) -> Hashable:
        return state


def _ours(name: str, big: bool = False, **scope: object) -> Case:
    return Case(f"ours, {name}", Flights(**scope), big=big)  # type: ignore[arg-type]


def _broken(name: str, shows: str, **fields: object) -> Case:
    return Case(name, Flights(**fields), frozenset(shows), broken=True)  # type: ignore[arg-type]


_REDIS = {"steps_of_writer": WITH_REDIS}
_AWAY = {"steps_of_writer": _ELSEWHERE, "cut": True}

CASES = [
    _ours("no Redis"),
    _ours("with Redis", **_REDIS),
    _ours("the writer on another host", **_AWAY),
    _ours("no Redis, three threads", threads=3, big=True),
    _ours("with Redis, three threads", **_REDIS, threads=3, big=True),
    _broken("takes whatever lands", "A", asks_whether_accepted=False),
    _broken("takes what was not kept", "C", asks_whether_kept=False),
    _broken("takes what was kept, whatever the stamps", "A", asks_for_stamps=False),
    _broken("takes it without trust", "L", **_AWAY, asks_for_trust=False),
    _broken("judged while others may still join", "A", judged_when_closed=False),
    _broken("waits in vain, and joins the same flight again", "A", knows_the_flight=False),
]
