"""Local memory of one host: stamps, the table of pending writers, and Redis behind them or none.

Readers and writers are processes of one host. Steps: readers `Reading._find` (`noting.note_stamps`: note, then look for
records), writers `Invalidation.begin` and `finish`, stamps and records `caching/stamps.py`, entries
`caching/tiers/local.py`. A killed writer's records stay, in a block that another process may claim, until they run
out; a COMMIT whose answer was lost (`Invalidation.abandon`) or whose writer was killed may still arrive.

An entry is remembered only while it is valid, and of several (each process has its own) only the oldest: a reader may
hit it or miss it.

Violations: A, C and F as in `redis_protocol.py`, F for local memory, too.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Breach, Case, Step, put
from tests.model.reading import DONE, Reader, ask_redis, returned
from tests.model.server import EMPTY, Server, live, mark, unmark

__all__ = ["CASES", "WITHOUT_REDIS", "WITH_REDIS", "Faults", "HostMemory"]

WITH_REDIS = ("pend", "mark", "bump", "commit", "unmark", "bump", "unpend")
WITHOUT_REDIS = ("pend", "bump", "commit", "bump", "unpend")

NO_ENTRY = -1


class Faults(NamedTuple):
    """How many of each kind may still happen."""

    kills: int = 0
    #: The answer to a COMMIT is lost: it has happened, or will, or never does.
    lost_answers: int = 0
    flushes: int = 0


NO_FAULTS = Faults()


class Writer(NamedTuple):
    step: int = 0
    version: int = 0
    #: Its process is dead, or has given up, with the COMMIT on the way.
    gone: bool = False


class State(NamedTuple):
    server: Server
    #: Writers with a record in the host's table.
    table: frozenset[int]
    entry: int
    database: int
    acked: int
    readers: tuple[Reader, ...]
    writers: tuple[Writer, ...]
    faults: Faults

    def bumped(self) -> State:
        """The stamps have changed: no entry is valid, and none will be that is kept under stamps noted before."""
        return self._replace(entry=NO_ENTRY, readers=tuple(each._replace(noted=False) for each in self.readers))


@dataclass(frozen=True)
class HostMemory:
    """Ours, unless a field says what is broken."""

    steps_of_writers: tuple[str, ...] = WITH_REDIS
    faults: Faults = NO_FAULTS
    wide: tuple[bool, ...] = (False, False)
    readers: int = 2

    #: A reader looks for records, and notes the stamps before that.
    looks_for_records: bool = True
    notes_first: bool = True
    #: Records stay when their writer dies, and when another process then claims the block.
    records_survive: bool = True
    records_survive_claim: bool = True
    #: What is kept is valid only under the stamps noted before it was read.
    kept_under_noted: bool = True
    #: Marks and records of slow commits are renewed.
    outlive_commits: bool = True

    @property
    def start(self) -> State:
        readers = (Reader(at="hit"),) * self.readers
        writers = (Writer(),) * len(self.wide)
        return State(EMPTY, frozenset(), NO_ENTRY, 0, 0, readers, writers, self.faults)

    @property
    def redis(self) -> bool:
        return "mark" in self.steps_of_writers

    def steps(self, state: State) -> Iterator[Step]:
        for who in range(len(state.readers)):
            yield from self._read(state, who)
        for who in range(len(state.writers)):
            yield from self._write(state, who)
        yield from self._run_out(state)
        if state.faults.flushes:
            fewer = state.faults._replace(flushes=state.faults.flushes - 1)
            yield "FLUSH", state._replace(server=EMPTY._replace(epoch=100), faults=fewer), None

    # --- readers ------------------------------------------------------------------------------------------------------

    def _read(self, state: State, who: int) -> Iterator[Step]:
        reader, name = state.readers[who], f"reader {who}"
        onward = "load" if reader.barred or not self.redis else "look"
        if reader.at == "hit":
            reader = reader._replace(acked=state.acked, committed=state.database)
            if state.entry != NO_ENTRY:
                yield f"{name} hits", self._moved(state, who, DONE), returned(reader, name, state.entry)
            first = reader._replace(at="note" if self.notes_first else "ask")
            yield f"{name} misses", self._moved(state, who, first), None
        elif reader.at == "note":
            noted = reader._replace(at="ask" if self.notes_first else onward, noted=True)
            yield f"{name} notes the stamps", self._moved(state, who, noted), None
        elif reader.at == "ask":
            barred = self.looks_for_records and bool(state.table)
            after = "note" if not self.notes_first else "load" if barred else onward
            asked = reader._replace(at=after, barred=barred)
            yield f"{name} looks for records", self._moved(state, who, asked), None
        elif reader.at == "keep":
            yield f"{name} keeps {reader.version}", self._kept(state, who), returned(reader, name)
        elif reader.at == "load" and not self.redis and not reader.barred:
            loaded = reader._replace(at="keep", version=state.database)
            yield f"{name} loads", self._moved(state, who, loaded), None
        else:
            for action, server, after_it in ask_redis(state.server, state.database, who, reader):
                left, breach = state._replace(server=server), None
                if after_it.at == "answer":
                    after_it, breach = DONE, returned(after_it, name)
                yield f"{name} {action}", self._moved(left, who, after_it), breach

    def _moved(self, state: State, who: int, reader: Reader) -> State:
        return state._replace(readers=put(state.readers, who, reader))

    def _kept(self, state: State, who: int) -> State:
        reader, entry = state.readers[who], state.entry
        if reader.noted or not self.kept_under_noted:
            entry = reader.version if entry == NO_ENTRY else min(entry, reader.version)
        return self._moved(state._replace(entry=entry), who, DONE)

    # --- writers ------------------------------------------------------------------------------------------------------

    def _write(self, state: State, who: int) -> Iterator[Step]:
        writer, faults = state.writers[who], state.faults
        end = len(self.steps_of_writers)
        if writer.gone:
            arrived = Writer(end)
            left = state._replace(database=state.database + 1, writers=put(state.writers, who, arrived))
            yield f"the COMMIT of writer {who} arrives", left, None
            yield f"the COMMIT of writer {who} fails", state._replace(writers=put(state.writers, who, arrived)), None
        if writer.gone or writer.step == end:
            return
        step = self.steps_of_writers[writer.step]
        after = writer._replace(step=writer.step + 1)
        left = self._done(state, who, step)
        if step == "commit":
            after = after._replace(version=left.database)
        if after.step == end:
            left, after = left._replace(acked=max(state.acked, after.version)), Writer(end)
        yield f"writer {who}: {step}", left._replace(writers=put(state.writers, who, after)), None
        if faults.kills and writer.step:
            dead = state._replace(faults=faults._replace(kills=faults.kills - 1))
            if not self.records_survive:
                dead = dead._replace(table=state.table - {who})
            yield f"writer {who} is KILLED before its {step}", self._ended(dead, who, gone=False), None
            if step == "commit":
                yield f"writer {who} is KILLED with its COMMIT on the way", self._ended(dead, who, gone=True), None
        if faults.lost_answers and step == "commit":
            lost = state._replace(faults=faults._replace(lost_answers=faults.lost_answers - 1)).bumped()
            yield f"writer {who} hears no answer to its COMMIT", self._ended(lost, who, gone=True), None

    def _ended(self, state: State, who: int, *, gone: bool) -> State:
        return state._replace(writers=put(state.writers, who, Writer(len(self.steps_of_writers), gone=gone)))

    def _done(self, state: State, who: int, step: str) -> State:
        server = state.server
        if step == "pend":
            table = state.table
            if not self.records_survive_claim:
                table = frozenset(each for each in table if state.writers[each].step < len(self.steps_of_writers))
            return state._replace(table=table | {who})
        if step == "unpend":
            return state._replace(table=state.table - {who})
        if step == "bump":
            return state.bumped()
        if step == "mark":
            return state._replace(server=mark(server, who, epoch=10 * who + 1 if self.wide[who] else None))
        if step == "unmark":
            return state._replace(server=unmark(server, who, epoch=10 * who + 2 if self.wide[who] else None))
        return state._replace(database=state.database + 1)

    def _run_out(self, state: State) -> Iterator[Step]:
        server = state.server
        for who in server.pending | server.wide | state.table:
            writer = state.writers[who]
            committed = writer.step > self.steps_of_writers.index("commit")
            if writer.gone or not (
                writer.step == len(self.steps_of_writers) or (not self.outlive_commits and not committed)
            ):
                continue
            if who in server.pending | server.wide:
                left = server._replace(pending=server.pending - {who}, wide=server.wide - {who})
                yield f"the mark of writer {who} runs out", state._replace(server=left), None
            if who in state.table:
                yield f"the record of writer {who} runs out", state._replace(table=state.table - {who}), None

    # --- judging ------------------------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> Breach | None:
        version = live(state.server)
        for what, seen in (("Redis", version), ("local memory", None if state.entry == NO_ENTRY else state.entry)):
            if seen is not None and seen < state.database:
                return "F", f"{what} holds {seen}, the database {state.database}"
        return None

    def canonical(self, state: State) -> Hashable:
        """Readers are alike, and so are writers of the same kind."""
        server, readers, writers, table = state.server, state.readers, state.writers, state.table
        holder, pending = server.lease, server.pending
        if len(readers) == 2 and (readers[1], holder == 1) < (readers[0], holder == 0):
            readers = readers[1], readers[0]
            holder = None if holder is None else 1 - holder
        if self.wide == (False, False) and (writers[1], 1 in pending, 1 in table) < (
            writers[0],
            0 in pending,
            0 in table,
        ):
            writers = writers[1], writers[0]
            pending, table = _SWAPPED[pending], _SWAPPED[table]
        if readers is not state.readers or writers is not state.writers:
            server = server._replace(lease=holder, pending=pending)
            return state._replace(server=server, readers=readers, writers=writers, table=table)
        return state


_NONE, _BOTH = frozenset[int](), frozenset({0, 1})
_SWAPPED = {_NONE: _NONE, _BOTH: _BOTH, frozenset({0}): frozenset({1}), frozenset({1}): frozenset({0})}


def _ours(name: str, shows: str = "", big: bool = False, **scope: object) -> Case:
    return Case(f"ours, {name}", HostMemory(**scope), frozenset(shows), big=big)  # type: ignore[arg-type]


def _broken(name: str, shows: str, **fields: object) -> Case:
    return Case(name, HostMemory(**fields), frozenset(shows), broken=True)  # type: ignore[arg-type]


_ALONE = {"steps_of_writers": WITHOUT_REDIS}
_KILL = {"faults": Faults(kills=1)}
_ONE_BUMP = ("pend", "bump", "commit", "unpend")
_STAMPS_FIRST = ("pend", "bump", "mark", "commit", "bump", "unmark", "unpend")

CASES = [
    _ours("no Redis", **_ALONE),
    _ours("no Redis, a kill", **_ALONE, **_KILL),
    _ours("no Redis, a lost answer", **_ALONE, faults=Faults(lost_answers=1)),
    _ours("no fault"),
    _ours("a kill", **_KILL, readers=1),
    _ours("a kill, one writer", **_KILL, wide=(False,)),
    _ours("a lost answer", faults=Faults(lost_answers=1), readers=1),
    _ours("a lost answer, one writer", faults=Faults(lost_answers=1), wide=(False,)),
    _ours("a flush", faults=Faults(flushes=1), readers=1),
    _ours("a flush, one writer", faults=Faults(flushes=1), wide=(False,)),
    _ours("wide mark and mark", wide=(True, False), readers=1),
    _ours("two readers, two writers, a kill", **_KILL, big=True),
    _ours("two readers, two writers, a lost answer", faults=Faults(lost_answers=1), big=True),
    _ours("two readers, two writers, a flush", faults=Faults(flushes=1), big=True),
    _ours("two readers, wide mark and mark", wide=(True, False), big=True),
    _broken("bump before pend", "C", steps_of_writers=("bump", "pend", "commit", "bump", "unpend")),
    _broken("no bump before the commit", "C", steps_of_writers=("pend", "commit", "bump", "unpend")),
    # The second change of the stamps is for commits that outlive their records.
    _broken("records end before slow commits", "C", **_ALONE, outlive_commits=False),
    _broken("and no bump after the commit", "A", steps_of_writers=_ONE_BUMP, outlive_commits=False),
    _broken("looks for records, then notes", "C", **_ALONE, notes_first=False),
    _broken("no records", "C", **_ALONE, looks_for_records=False),
    _broken("no records, stamps before Redis", "C", steps_of_writers=_STAMPS_FIRST, looks_for_records=False),
    _broken("records end with their process", "F", **_ALONE, **_KILL, records_survive=False),
    _broken("records end with the claim of their block", "F", **_ALONE, **_KILL, records_survive_claim=False),
    _broken("kept under stamps noted after", "A", kept_under_noted=False),
]
