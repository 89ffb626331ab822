"""The protocol between readers and writers through Redis alone: leases, marks, wide marks, epochs, failover.

Two readers and two writers work on one key. The writers change different rows that both feed the key (a list of
orders, say), so no row lock orders them. Who does each step: readers `caching/reading.py`, writers
`caching/invalidation.py` around the COMMIT of `caching/transactions.py`, Redis `caching/scripts.py`.

Violations: A, a read that began after a write was acknowledged returned an older value; C, the same after it was
committed; F, all is quiet, marks have run out, and a read still gets an older value.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Breach, Case, Step, put
from tests.model.reading import DONE, Reader, ask_redis, returned
from tests.model.server import EMPTY, Server, live, mark, unmark

__all__ = ["CASES", "Faults", "RedisProtocol"]

_MARKED = ("mark", "commit", "unmark")


class Faults(NamedTuple):
    """How many of each kind may still happen."""

    #: A writer is killed between two steps.
    kills: int = 0
    #: Redis forgets everything.
    flushes: int = 0
    #: Redis evicts the value, the lease or the epoch.
    evictions: int = 0
    #: Redis evicts the set of pending writers, which a `volatile-*` policy never does.
    evicted_marks: int = 0
    #: A replica that lacks the last writes becomes the primary.
    failovers: int = 0
    #: A command is sent again after its connection was lost, and done twice.
    repeats: int = 0


NO_FAULTS = Faults()


class Writer(NamedTuple):
    step: int = 0
    wide: bool = False
    version: int = 0


class State(NamedTuple):
    server: Server
    database: int
    acked: int
    readers: tuple[Reader, ...]
    writers: tuple[Writer, ...]
    faults: Faults
    #: What the replica holds; and a command that is done a second time some day: (writer, "mark" or "unmark").
    replica: Server | None = None
    copy: tuple[int, str] | None = None


@dataclass(frozen=True)
class RedisProtocol:
    """Ours, unless a field says what is broken."""

    faults: Faults = NO_FAULTS
    wide: tuple[bool, ...] = (False, False)
    readers: int = 2
    #: Readers may load a value anew that they have found (XFetch).
    early_refresh: bool = False

    steps_of_writers: tuple[str, ...] = _MARKED
    #: Readers fill only under a lease.
    leases: bool = True
    #: A mark of its own for each writer, not one key that the next overwrites.
    own_marks: bool = True
    #: The lease script looks at pending writers; otherwise the fill does.
    looks_in_time: bool = True
    #: The lease script looks at the scope's pending writers, too.
    looks_wide: bool = True
    wide_mark_changes_epoch: bool = True
    wide_unmark_changes_epoch: bool = True
    unmark_deletes: bool = True
    #: An epoch comes back neither when its command is done twice nor after an eviction.
    epochs_never_return: bool = True
    run_id_in_epochs: bool = True
    #: Marks of slow commits are renewed.
    marks_outlive_commits: bool = True

    @property
    def start(self) -> State:
        writers = tuple(Writer(wide=wide) for wide in self.wide)
        replica = EMPTY if self.faults.failovers else None
        return State(EMPTY, 0, 0, (Reader(),) * self.readers, writers, self.faults, replica)

    def steps(self, state: State) -> Iterator[Step]:
        for who in range(len(state.readers)):
            yield from self._read(state, who)
        for who in range(len(state.writers)):
            yield from self._write(state, who)
        yield from self._run_out(state)
        yield from self._fail(state)

    # --- readers ------------------------------------------------------------------------------------------------------

    def _read(self, state: State, who: int) -> Iterator[Step]:
        reader, server = state.readers[who], state.server
        if reader.at == "look":
            reader = reader._replace(acked=state.acked, committed=state.database)
        for action, left, after in self._ask(server, state.database, who, reader):
            breach = None
            going_on = [after]
            if after.at in ("keep", "answer"):
                breach = returned(after, f"reader {who}")
                going_on = [DONE]
                if self.early_refresh and reader.at == "look":
                    # Served already: whatever it loads now is not returned.
                    going_on.append(Reader(at="lease", seen=(left.run, left.epoch), rejected=True))
            for each in going_on:
                readers = put(state.readers, who, each)
                yield f"reader {who} {action}", state._replace(server=left, readers=readers), breach

    def _ask(self, server: Server, database: int, who: int, reader: Reader) -> Iterator[tuple[str, Server, Reader]]:
        if reader.at == "lease" and not self.leases:
            yield "goes on", server, reader._replace(at="load", leased=True)
        elif reader.at == "fill" and not self.leases:
            yield "fills", server._replace(value=(reader.version, reader.seen)), reader._replace(at="keep")
        elif reader.at == "fill" and not self.looks_in_time and server.marked:
            yield "may not fill", server, reader._replace(at="answer")
        elif reader.at == "lease":
            seen_by_script = server
            if not self.looks_in_time:
                seen_by_script = server._replace(pending=frozenset(), wide=frozenset())
            elif not self.looks_wide:
                seen_by_script = server._replace(wide=frozenset())
            for action, left, after in ask_redis(seen_by_script, database, who, reader):
                yield action, left._replace(pending=server.pending, wide=server.wide), after
        else:
            yield from ask_redis(server, database, who, reader)

    # --- writers ------------------------------------------------------------------------------------------------------

    def _write(self, state: State, who: int) -> Iterator[Step]:
        writer = state.writers[who]
        if writer.step == len(self.steps_of_writers):
            return
        step = self.steps_of_writers[writer.step]
        after = writer._replace(step=writer.step + 1)
        database, server = state.database, state.server
        if step == "commit":
            database += 1
            after = after._replace(version=database)
        else:
            server = self._tell_redis(server, who, writer.wide, step)
        acked = state.acked
        if after.step == len(self.steps_of_writers):
            acked, after = max(acked, after.version), after._replace(version=0)
        moved = state._replace(server=server, database=database, acked=acked, writers=put(state.writers, who, after))
        yield f"writer {who}: {step}", moved, None
        faults = state.faults
        if faults.repeats and step in _MARKED and step != "commit":
            fewer = faults._replace(repeats=faults.repeats - 1)
            yield f"writer {who}: {step} (sent twice)", moved._replace(faults=fewer, copy=(who, step)), None
        if faults.kills and writer.step:
            killed = writer._replace(step=len(self.steps_of_writers), version=0)
            fewer = faults._replace(kills=faults.kills - 1)
            yield (
                f"writer {who} is KILLED before its {step}",
                state._replace(writers=put(state.writers, who, killed), faults=fewer),
                None,
            )

    def _tell_redis(self, server: Server, who: int, wide: bool, step: str, *, again: bool = False) -> Server:
        if step == "delete":
            return server._replace(value=None, lease=None)
        # Fresh, and the same when the command is done twice unless epochs never return.
        fresh = 10 * (who + 1) + (step == "unmark") + (5 if again and self.epochs_never_return else 0)
        if step == "mark":
            if not self.own_marks:
                server = server._replace(pending=frozenset())
            epoch = fresh if self.wide_mark_changes_epoch else server.epoch
            return mark(server, who, epoch=epoch if wide else None)
        epoch = fresh if self.wide_unmark_changes_epoch else server.epoch
        left = unmark(server, who, epoch=epoch if wide else None)
        return left if self.unmark_deletes else left._replace(value=server.value, lease=server.lease)

    def _run_out(self, state: State) -> Iterator[Step]:
        server = state.server
        for who in server.pending | server.wide:
            writer = state.writers[who]
            committed = writer.step > self.steps_of_writers.index("commit")
            if writer.step == len(self.steps_of_writers) or not (self.marks_outlive_commits or committed):
                left = server._replace(pending=server.pending - {who}, wide=server.wide - {who})
                yield f"the mark of writer {who} runs out", state._replace(server=left), None

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fail(self, state: State) -> Iterator[Step]:
        server, faults = state.server, state.faults
        # An epoch that is missing is made anew by whoever misses it (`reading._make_epoch`).
        made = 100 + sum(faults) if self.epochs_never_return else 0
        if faults.flushes:
            fewer = faults._replace(flushes=faults.flushes - 1)
            yield "FLUSH", state._replace(server=EMPTY._replace(run=server.run, epoch=made), faults=fewer), None
        if faults.evictions:
            fewer = faults._replace(evictions=faults.evictions - 1)
            for name, left in (
                ("value", server._replace(value=None)),
                ("lease", server._replace(lease=None)),
                ("epoch", server._replace(epoch=made)),
            ):
                yield f"the {name} is EVICTED", state._replace(server=left, faults=fewer), None
        if faults.evicted_marks and server.marked:
            fewer = faults._replace(evicted_marks=faults.evicted_marks - 1)
            left = server._replace(pending=frozenset(), wide=frozenset())
            yield "the marks are EVICTED", state._replace(server=left, faults=fewer), None
        if state.copy is not None:
            who, step = state.copy
            left = self._tell_redis(server, who, state.writers[who].wide, step, again=True)
            yield f"the {step} of writer {who} is done AGAIN", state._replace(server=left, copy=None), None
        if state.replica is not None:
            yield "the replica catches up", state._replace(replica=server), None
            fewer = faults._replace(failovers=faults.failovers - 1)
            promoted = state.replica._replace(run=int(self.run_id_in_epochs))
            yield "FAILOVER", state._replace(server=promoted, replica=None, faults=fewer), None

    # --- judging ------------------------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> Breach | None:
        version = live(state.server)
        if version is not None and version < state.database:
            return "F", f"a fresh read returns {version}, the database holds {state.database}"
        return None

    def canonical(self, state: State) -> Hashable:
        """Readers are alike, and so are writers, except where a replica or a copy names one."""
        readers, server = state.readers, state.server
        if state.replica is not None or len(readers) != 2:
            return state
        holder = server.lease
        if (readers[1], holder == 1) < (readers[0], holder == 0):
            readers = readers[1], readers[0]
            holder = None if holder is None else 1 - holder
            return state._replace(readers=readers, server=server._replace(lease=holder))
        return state


def _ours(name: str, faults: Faults, shows: str = "", big: bool = False, **scope: object) -> Case:
    return Case(f"ours, {name}", RedisProtocol(faults, **scope), frozenset(shows), big=big)  # type: ignore[arg-type]


def _broken(name: str, shows: str, **fields: object) -> Case:
    return Case(name, RedisProtocol(**fields), frozenset(shows), broken=True)  # type: ignore[arg-type]


_WIDE, _MIXED = (True, True), (True, False)
_LEASE_ALONE = ("commit", "delete")

_ONE = (False,)

CASES = [
    _ours("no fault", Faults()),
    _ours("a kill", Faults(kills=1)),
    _ours("a flush", Faults(flushes=1), "C"),
    _ours("an eviction", Faults(evictions=1)),
    _ours("marks evicted", Faults(evicted_marks=1), "C"),
    _ours("kill and flush", Faults(kills=1, flushes=1), "CF", wide=_ONE),
    _ours("early refresh", Faults(kills=1), early_refresh=True),
    _ours("wide marks", Faults(), wide=_WIDE),
    _ours("wide mark, a kill", Faults(kills=1), wide=(True,)),
    _ours("wide mark and mark, a kill", Faults(kills=1), wide=_MIXED),
    _ours("wide marks, an eviction", Faults(evictions=1), wide=_WIDE, readers=1),
    _ours("wide mark, a flush", Faults(flushes=1), "C", wide=(True,)),
    _ours("wide marks sent twice", Faults(repeats=1), wide=_WIDE, readers=1),
    _ours("marks sent twice", Faults(repeats=1), wide=_MIXED, readers=1),
    _ours("failover", Faults(failovers=1), "C", wide=_ONE),
    _ours("failover and kill", Faults(failovers=1, kills=1), "CF", wide=_ONE),
    _ours("failover, wide mark", Faults(failovers=1), "C", wide=(True,)),
    _ours("two writers, kill and flush", Faults(kills=1, flushes=1), "CF", big=True),
    _ours("wide marks, a kill", Faults(kills=1), wide=_WIDE, big=True),
    _ours("wide mark and mark, an eviction", Faults(evictions=1), wide=_MIXED, big=True),
    _ours("wide mark and mark, a flush", Faults(flushes=1), "C", wide=_MIXED, big=True),
    _ours("two readers, wide marks sent twice", Faults(repeats=1), wide=_WIDE, big=True),
    _ours("two readers, marks sent twice", Faults(repeats=1), wide=_MIXED, big=True),
    _ours("two writers, failover", Faults(failovers=1), "C", big=True),
    _ours("three readers, a kill", Faults(kills=1), readers=3, big=True),
    _broken("delete before commit", "AF", leases=False, steps_of_writers=("delete", "commit")),
    _broken("delete on commit", "AC", leases=False, steps_of_writers=_LEASE_ALONE),
    _broken("lease without mark", "C", steps_of_writers=_LEASE_ALONE),
    _broken("lease without mark, a kill", "F", faults=Faults(kills=1), steps_of_writers=_LEASE_ALONE),
    _broken("one key for lease and mark", "C", own_marks=False),
    _broken("late look at pending writers", "C", faults=Faults(kills=1), looks_in_time=False),
    _broken("wide marks not looked at", "C", wide=_MIXED, looks_wide=False),
    _broken("wide mark keeps the epoch", "C", wide=_WIDE, wide_mark_changes_epoch=False),
    _broken(
        "wide unmark keeps the epoch", "A", faults=Faults(flushes=1), wide=(True,), wide_unmark_changes_epoch=False
    ),
    _broken("unmark deletes nothing", "A", faults=Faults(flushes=1), unmark_deletes=False),
    _broken(
        "epochs that return, sent twice",
        "F",
        faults=Faults(repeats=1),
        wide=_WIDE,
        readers=1,
        epochs_never_return=False,
    ),
    _broken("epochs that return, evicted", "A", faults=Faults(evictions=1), wide=_WIDE, epochs_never_return=False),
    _broken("run id not in the epochs", "A", faults=Faults(failovers=1), wide=_ONE, run_id_in_epochs=False),
    _broken("marks end before slow commits", "C", marks_outlive_commits=False),
]
