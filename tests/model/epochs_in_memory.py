"""Epochs that a process remembers, so that a read of Redis need not fetch them: when must it forget them?

Somebody HERE changes an epoch, by clearing (the data was changed before, unseen) or by a wide mark; readers are on the
same host or THERE, where pushes arrive late or, once the listener is cut off, not at all. A process remembers the
epochs that it has fetched (`Exchange._remember`) under the stamps that it had noted before, and uses them while these
stand and it trusts its listener (`Exchange._known`): those that clearing changes. The epoch of a scope, which wide
marks change, it fetches with every value. Local memory is left out. At first Redis holds the value.

Violations: A, a read HERE that began after a clear or a write was acknowledged returned an older value; L, one THERE
did, though every push had been heard or trust had lapsed by then; W, one THERE did while a push was on its way. For
wide marks W is a violation: Redis never serves what is older than an acknowledged write.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Breach, Case, Step, put
from tests.model.reading import DONE, Reader, ask_redis
from tests.model.server import EMPTY, Server, mark, token, unmark

__all__ = ["CASES", "HERE", "THERE", "EpochsInMemory", "Faults"]

HERE, THERE = 0, 1

CLEAR = ("commit", "set epoch", "bump")
WIDE_MARK = ("mark", "bump", "commit", "unmark", "bump")

_NONE = -1
_END = -1


class Faults(NamedTuple):
    """How many of each kind may still happen."""

    kills: int = 0
    flushes: int = 0
    #: The listener THERE loses its connection without a word.
    cuts: int = 0


NO_FAULTS = Faults()


class Asking(NamedTuple):
    """A reader, and the epoch it remembered when it began."""

    reader: Reader
    known: int = _NONE


_DONE = Asking(DONE)


class State(NamedTuple):
    server: Server
    database: int
    acked: int
    readers: tuple[Asking, ...]
    writer: int
    #: The epoch that each host remembers under stamps that still stand.
    remembered: tuple[int, ...]
    #: Pushes on the way THERE; and its listener: "up", "cut", "lapsed" (and it knows).
    pushes: int
    link: str
    faults: Faults

    def bumped(self, host: int) -> State:
        readers = tuple(
            each._replace(reader=each.reader._replace(noted=each.reader.noted and each.reader.host != host))
            for each in self.readers
        )
        return self._replace(remembered=put(self.remembered, host, _NONE), readers=readers)

    def told(self) -> State:
        return self._replace(pushes=min(2, self.pushes + 1)) if self.link == "up" else self


@dataclass(frozen=True)
class EpochsInMemory:
    """Ours, unless a field says what is broken."""

    steps_of_writer: tuple[str, ...] = CLEAR
    hosts: tuple[int, ...] = (HERE, HERE)
    faults: Faults = NO_FAULTS

    #: The epoch of a scope, which wide marks change, is remembered as well.
    remembers_scope: bool = False
    notes_first: bool = True
    needs_trust: bool = True

    @property
    def start(self) -> State:
        readers = tuple(Asking(Reader(at="begin", host=host)) for host in self.hosts)
        server = EMPTY._replace(value=(0, token(EMPTY)))
        return State(server, 0, 0, readers, 0, (_NONE, _NONE), 0, "up", self.faults)

    @property
    def remembers(self) -> bool:
        return self.steps_of_writer is CLEAR or self.remembers_scope

    def steps(self, state: State) -> Iterator[Step]:
        for who in range(len(state.readers)):
            yield from self._read(state, who)
        yield from self._write(state)
        if state.pushes:
            yield "a push is heard", state._replace(pushes=state.pushes - 1).bumped(THERE), None
        yield from self._fail(state)

    # --- readers ------------------------------------------------------------------------------------------------------

    def _read(self, state: State, who: int) -> Iterator[Step]:
        asking, name = state.readers[who], f"reader {who}"
        reader, server = asking.reader, state.server
        if reader.at == "begin":
            heard = state.link == "lapsed" or (state.link == "up" and not state.pushes)
            began = reader._replace(at="look", acked=state.acked, due=state.acked if heard else 0, noted=True)
            trusted = reader.host == HERE or state.link != "lapsed" or not self.needs_trust
            known = state.remembered[reader.host] if trusted and self.remembers else _NONE
            yield f"{name} notes the stamps", self._moved(state, who, Asking(began, known)), None
            return
        if reader.at == "remember":
            # What was fetched before is remembered under stamps noted now.
            onward = Asking(reader._replace(at="lease")) if reader.version < 0 else _DONE
            remembered = put(state.remembered, reader.host, reader.seen[1])
            went_on = self._moved(state, who, onward)._replace(remembered=remembered)
            yield f"{name} notes the stamps and remembers", went_on, None
            return
        fetches = reader.at == "look" and asking.known == _NONE
        as_seen = server._replace(epoch=asking.known) if reader.at == "look" and not fetches else server
        for action, left, after in ask_redis(as_seen, state.database, who, reader):
            moved = state._replace(server=left._replace(epoch=server.epoch))
            breach, onward = None, Asking(after)
            if after.at in ("keep", "answer"):
                breach, onward = self._judged(after, name), _DONE
            if fetches and self.remembers and not self.notes_first:
                onward = Asking(after._replace(at="remember", seen=token(server), noted=False))
            elif fetches and self.remembers and reader.noted:
                moved = moved._replace(remembered=put(state.remembered, reader.host, server.epoch))
            yield f"{name} {action}", self._moved(moved, who, onward), breach

    def _judged(self, reader: Reader, name: str) -> Breach | None:
        if reader.version >= reader.acked:
            return None
        what = f"{name} returns {reader.version}, {reader.acked} had been acknowledged when it began"
        if reader.host == HERE:
            return "A", what
        return ("L" if reader.version < reader.due else "W"), what

    def _moved(self, state: State, who: int, asking: Asking) -> State:
        return state._replace(readers=put(state.readers, who, asking))

    # --- who clears or writes -----------------------------------------------------------------------------------------

    def _write(self, state: State) -> Iterator[Step]:
        if state.writer in (_END, len(self.steps_of_writer)):
            return
        step, server = self.steps_of_writer[state.writer], state.server
        left = state._replace(writer=state.writer + 1)
        epoch = 10 + state.writer
        if step == "mark":
            left = left._replace(server=mark(server, 0, epoch=epoch)).told()
        elif step == "unmark":
            left = left._replace(server=unmark(server, 0, epoch=epoch)).told()
        elif step == "set epoch":
            left = left._replace(server=server._replace(epoch=epoch)).told()
        elif step == "bump":
            left = left.bumped(HERE)
        else:
            left = left._replace(database=1)
        if left.writer == len(self.steps_of_writer):
            left = left._replace(acked=1)
        yield f"the writer: {step}", left, None
        if state.faults.kills and state.writer:
            fewer = state.faults._replace(kills=state.faults.kills - 1)
            yield f"the writer is KILLED before its {step}", state._replace(writer=_END, faults=fewer), None

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fail(self, state: State) -> Iterator[Step]:
        server, faults = state.server, state.faults
        if server.wide and state.writer == _END:
            yield "the mark runs out", state._replace(server=server._replace(wide=frozenset())).told(), None
        if faults.flushes:
            left = EMPTY._replace(epoch=100)
            yield "FLUSH", state._replace(server=left, faults=faults._replace(flushes=faults.flushes - 1)).told(), None
        if faults.cuts and state.link == "up":
            fewer = faults._replace(cuts=faults.cuts - 1)
            yield "the listener there is CUT OFF", state._replace(link="cut", pushes=0, faults=fewer), None
        if state.link == "cut":
            yield "trust lapses there", state._replace(link="lapsed"), None
        if state.link == "lapsed":
            yield "the listener there is back", state._replace(link="up").bumped(THERE), None

    # --- judging ------------------------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> Breach | None:
        """What readers return is all there is to judge."""
        return None

    def canonical(self, state: State) -> Hashable:
        """Readers of one host are alike."""
        readers, holder = state.readers, state.server.lease
        if (
            len(self.hosts) == 2
            and self.hosts[0] == self.hosts[1]
            and (readers[1], holder == 1) < (readers[0], holder == 0)
        ):
            holder = None if holder is None else 1 - holder
            return state._replace(readers=readers[::-1], server=state.server._replace(lease=holder))
        return state


def _ours(name: str, shows: str = "", big: bool = False, **scope: object) -> Case:
    return Case(f"ours, {name}", EpochsInMemory(**scope), frozenset(shows), big=big)  # type: ignore[arg-type]


def _broken(name: str, shows: str, **fields: object) -> Case:
    return Case(name, EpochsInMemory(**fields), frozenset(shows), broken=True)  # type: ignore[arg-type]


_THERE = {"hosts": (THERE, THERE)}
_WIDE = {"steps_of_writer": WIDE_MARK}
_CUT = {"faults": Faults(cuts=1)}

CASES = [
    _ours("a clear, here"),
    _ours("a clear, here, a flush", faults=Faults(flushes=1)),
    _ours("a clear, there", "W", **_THERE, **_CUT),
    _ours("a wide mark, here", **_WIDE, faults=Faults(kills=1)),
    _ours("a wide mark, there", **_WIDE, **_THERE, **_CUT),
    _ours("a wide mark, here, three readers", **_WIDE, hosts=(HERE, HERE, HERE), big=True),
    _ours("a wide mark, there, three readers", **_WIDE, hosts=(THERE, THERE, THERE), **_CUT, big=True),
    _broken("remembered before noting", "A", notes_first=False),
    _broken("remembered before noting, there", "L", **_THERE, notes_first=False),
    _broken("remembered without trust", "L", **_THERE, **_CUT, needs_trust=False),
    _broken("a scope's epoch remembered", "W", **_WIDE, **_THERE, remembers_scope=True),
]
