"""The outbox: a writer that cannot reach Redis, the relay that tells Redis later, and the breaker of its host.

Two processes of one host, HERE: the writer's and a reader's, which may reach Redis (its breaker is closed) or not.
THERE others read through Redis. Steps: writers `Invalidation` (`_into_outbox`, `_into_outbox_after_commit`), the host's
bypass `Undelivered`, rows `Outbox.deliver`, the breaker `Relay._probe` and `Relay._look_first`. A mark that times out
may have arrived all the same. Of a writer that was killed the records run out, but not before a process of the host
that reaches Redis has delivered its rows.

Violations: A, a read HERE that began after a write was acknowledged returned an older value, wherever that came from;
B, a read THERE did, though the writer had reached Redis or its rows had been delivered; F, all is quiet, and a read
still gets an older value, local memory THERE included.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Breach, Case, Step, put
from tests.model.reading import DONE, Reader, ask_redis
from tests.model.server import EMPTY, Server, live, mark, token, unmark

__all__ = ["CASES", "HERE", "THERE", "Faults", "Outbox"]

HERE, THERE = 0, 1

NO_ENTRY = -1


class Faults(NamedTuple):
    """How many of each kind may still happen."""

    #: A mark or an unmark does not get through.
    cuts: int = 0
    #: A writer is killed.
    kills: int = 0
    #: A relay is killed, and another begins anew.
    relay_kills: int = 0
    #: Every process HERE ends, and new ones start when the host's records have run out.
    restarts: int = 0
    flushes: int = 0


CUT_OFF = Faults(cuts=1)


class Writer(NamedTuple):
    #: "pend", "mark", "row" (if that failed), "bump", "commit", "unmark", "late row" (if that failed), "bump again",
    #: "end", "ended".
    at: str = "pend"
    version: int = 0
    #: "", "inserted", "committed" or "removed".
    row: str = ""
    acked: bool = False
    killed: bool = False


class State(NamedTuple):
    server: Server
    database: int
    #: Writers for whom a record stands in the host's table.
    table: frozenset[int]
    readers: tuple[Reader, ...]
    writers: tuple[Writer, ...]
    #: Of the reading process HERE: "closed", "open", "drained" (about to close).
    breaker: str
    #: What the relay is about to do, and with the rows of whom.
    relay: str
    batch: frozenset[int]
    #: The oldest valid entry of local memory HERE and THERE.
    entries: tuple[int, int]
    pushes: int
    faults: Faults

    def bumped(self, host: int) -> State:
        readers = tuple(each._replace(noted=each.noted and each.host != host) for each in self.readers)
        return self._replace(entries=put(self.entries, host, NO_ENTRY), readers=readers)

    def told(self) -> State:
        return self._replace(pushes=min(2, self.pushes + 1))

    @property
    def waiting(self) -> frozenset[int]:
        return frozenset(who for who, each in enumerate(self.writers) if each.row == "committed")


@dataclass(frozen=True)
class Outbox:
    """Ours, unless a field says what is broken."""

    faults: Faults = CUT_OFF
    readers: tuple[int, ...] = (HERE, THERE)
    writers: int = 1
    #: Redis and local memory do not hold the value at first.
    empty: bool = False
    #: Somebody reads through Redis now and then, at one go.
    others_read: bool = False
    #: Writer and readers are threads of one process: its breaker opens when a mark fails.
    one_process: bool = False

    row_before_commit: bool = True
    delivered_before_removed: bool = True
    #: What is delivered ends leases, and is told to those who listen.
    delivery_ends_leases: bool = True
    delivery_is_told: bool = True
    drained_before_closed: bool = True
    #: The host bypasses Redis until the rows are delivered.
    bypassed_until_delivered: bool = True
    row_for_lost_unmark: bool = True
    #: Each commit has a row of its own, not one that stands for the key.
    own_rows: bool = True

    @property
    def start(self) -> State:
        server = EMPTY._replace(value=(0, token(EMPTY)) if not self.empty else None)
        readers = tuple(Reader(at="hit", host=host) for host in self.readers)
        writers = (Writer(),) * self.writers
        entries = (0, 0) if not self.empty else (NO_ENTRY, NO_ENTRY)
        return State(server, 0, frozenset(), readers, writers, "closed", "look", frozenset(), entries, 0, self.faults)

    def steps(self, state: State) -> Iterator[Step]:
        for who, reader in enumerate(state.readers):
            if reader.at != "done":
                yield from self._read(state, who)
        for who in range(len(state.writers)):
            yield from self._write(state, who)
        server = state.server
        if self.others_read and server.value is None and server.lease is None and not server.marked:
            filled = server._replace(value=(state.database, token(server)))
            yield "somebody reads and fills", state._replace(server=filled), None
        yield from self._relay(state)
        yield from self._break(state)
        yield from self._run_out(state)
        yield from self._fail(state)

    # --- readers ------------------------------------------------------------------------------------------------------

    def _read(self, state: State, who: int) -> Iterator[Step]:
        reader = state.readers[who]
        name = f"reader {who} {'there' if reader.host else 'here'}"
        if reader.at == "hit":
            reader = reader._replace(acked=self._due(state, reader.host))
            entry = state.entries[reader.host]
            if entry != NO_ENTRY and reader.host == HERE:
                yield f"{name} hits", self._moved(state, who, DONE), self._judged(reader, name, entry)
            yield f"{name} misses", self._moved(state, who, reader._replace(at="note")), None
        elif reader.at == "note":
            yield f"{name} notes the stamps", self._moved(state, who, reader._replace(at="ask", noted=True)), None
        elif reader.at == "ask":
            barred = reader.host == HERE and bool(state.table)
            asked = reader._replace(at="load" if barred else "look", barred=barred)
            yield f"{name} looks for records", self._moved(state, who, asked), None
        elif reader.at == "keep":
            left = self._moved(state, who, DONE)
            if reader.noted:
                entry = state.entries[reader.host]
                oldest = reader.version if entry == NO_ENTRY else min(entry, reader.version)
                left = left._replace(entries=put(state.entries, reader.host, oldest))
            yield f"{name} keeps {reader.version}", left, self._judged(reader, name)
        elif reader.host == HERE and state.breaker != "closed" and reader.at != "load":
            # `RedisUnavailable`: what it loads then, or has loaded, nobody keeps.
            after = "answer" if reader.at == "fill" else "load"
            yield from self._ended(state, who, name, "finds Redis given up", reader._replace(at=after, leased=False))
        else:
            for action, server, after_it in ask_redis(state.server, state.database, who, reader):
                yield from self._ended(state._replace(server=server), who, name, action, after_it)

    def _ended(self, state: State, who: int, name: str, action: str, reader: Reader) -> Iterator[Step]:
        if reader.at == "answer":
            yield f"{name} {action}", self._moved(state, who, DONE), self._judged(reader, name)
        else:
            yield f"{name} {action}", self._moved(state, who, reader), None

    def _due(self, state: State, host: int) -> int:
        """The newest version that a reader may not lack: THERE, what Redis has not heard of may be missing yet."""
        versions = [each.version for each in state.writers if each.acked and (host == HERE or each.row != "committed")]
        return max(versions, default=0)

    def _judged(self, reader: Reader, name: str, version: int | None = None) -> Breach | None:
        version = reader.version if version is None else version
        if version >= reader.acked:
            return None
        return "AB"[reader.host], f"{name} returns {version}, {reader.acked} was due when it began"

    def _moved(self, state: State, who: int, reader: Reader) -> State:
        return state._replace(readers=put(state.readers, who, reader))

    # --- writers ------------------------------------------------------------------------------------------------------

    def _write(self, state: State, who: int) -> Iterator[Step]:
        writer, server, name = state.writers[who], state.server, f"writer {who}"
        if writer.at == "pend":
            yield f"{name} takes its record", self._at(state._replace(table=state.table | {who}), who, "mark"), None
        elif writer.at == "mark":
            marked = state._replace(server=mark(server, who)).told()
            yield f"{name} marks", self._at(marked, who, "bump"), None
            after = "row" if self.row_before_commit else "bump"
            yield from self._cut(state, who, f"{name} cannot mark", after)
            yield from self._cut(marked, who, f"{name} hears nothing of its mark", after)
        elif writer.at == "row":
            left = state._replace(writers=put(state.writers, who, writer._replace(row="inserted")))
            yield f"{name} inserts its row", self._at(left, who, "bump"), None
        elif writer.at == "bump":
            yield f"{name} changes the stamps", self._at(state.bumped(HERE), who, "commit"), None
        elif writer.at == "commit":
            yield f"{name} commits", self._committed(state, who), None
        elif writer.at == "unmark":
            unmarked = state._replace(server=unmark(server, who)).told()
            yield f"{name} unmarks", self._at(unmarked, who, "bump again"), None
            after = "late row" if self.row_for_lost_unmark else "bump again"
            yield from self._cut(state, who, f"{name} cannot unmark", after)
        elif writer.at == "late row":
            left = state._replace(writers=put(state.writers, who, writer._replace(row="committed")))
            yield f"{name} inserts its row after the commit", self._at(left, who, "bump again"), None
        elif writer.at == "bump again":
            yield f"{name} changes the stamps again", self._at(state.bumped(HERE), who, "end"), None
        elif writer.at == "end":
            held = self.bypassed_until_delivered and writer.row
            table = state.table if held else state.table - {who}
            ended = writer._replace(at="ended", acked=True)
            left = state._replace(table=table, writers=put(state.writers, who, ended))
            yield f"{name} is acknowledged", left, None
        if state.faults.kills and writer.at not in ("pend", "ended"):
            killed = writer._replace(at="ended", killed=True, row="" if writer.row == "inserted" else writer.row)
            fewer = state.faults._replace(kills=state.faults.kills - 1)
            yield f"{name} is KILLED", state._replace(writers=put(state.writers, who, killed), faults=fewer), None

    def _at(self, state: State, who: int, at: str) -> State:
        return state._replace(writers=put(state.writers, who, state.writers[who]._replace(at=at)))

    def _cut(self, state: State, who: int, action: str, after: str) -> Iterator[Step]:
        if state.faults.cuts:
            left = state._replace(faults=state.faults._replace(cuts=state.faults.cuts - 1))
            if self.one_process:
                left = left._replace(breaker="open")
            if after == "bump":
                # Broken: the row will be inserted when the data has been committed.
                left = self._at(left, who, "bump")
                writer = left.writers[who]._replace(row="late")
                yield action, left._replace(writers=put(left.writers, who, writer)), None
            else:
                yield action, self._at(left, who, after), None

    def _committed(self, state: State, who: int) -> State:
        writer = state.writers[who]
        version = state.database + 1
        after = {"inserted": "bump again", "late": "late row"}.get(writer.row, "unmark")
        row = "committed" if writer.row == "inserted" else ""
        done = writer._replace(at=after, version=version, row=row)
        batch = state.batch
        if row and not self.own_rows:
            # The row of an earlier commit now stands for this one, too.
            batch = batch | {who} if batch else batch
        return state._replace(database=version, batch=batch, writers=put(state.writers, who, done))

    # --- the relay and the breaker ------------------------------------------------------------------------------------

    def _relay(self, state: State) -> Iterator[Step]:
        first, then = ("deliver", "remove") if self.delivered_before_removed else ("remove", "deliver")
        if state.relay == "look":
            if state.waiting:
                yield "the relay reads the outbox", state._replace(relay=first, batch=state.waiting), None
            return
        after = then if state.relay == first else "look"
        left = state._replace(relay=after, batch=state.batch if after == then else frozenset())
        if state.relay == "deliver":
            server = state.server
            for who in state.batch:
                server = unmark(server, who)
            if not self.delivery_ends_leases:
                server = server._replace(lease=state.server.lease)
            left = left._replace(server=server)
            yield "the relay tells Redis", left.told() if self.delivery_is_told else left, None
        else:
            writers = tuple(
                each._replace(row="removed") if who in state.batch else each for who, each in enumerate(state.writers)
            )
            yield "the relay removes the rows", left._replace(writers=writers), None
        if state.faults.relay_kills:
            fewer = state.faults._replace(relay_kills=state.faults.relay_kills - 1)
            yield "the relay is KILLED", state._replace(relay="look", batch=frozenset(), faults=fewer), None

    def _break(self, state: State) -> Iterator[Step]:
        if state.breaker == "open" and (not state.waiting or not self.drained_before_closed):
            yield "the outbox is found empty here", state._replace(breaker="drained"), None
        elif state.breaker == "drained":
            yield "the breaker closes", state._replace(breaker="closed"), None

    def _run_out(self, state: State) -> Iterator[Step]:
        for who, writer in enumerate(state.writers):
            if who in state.server.pending and writer.at == "ended":
                left = state.server._replace(pending=state.server.pending - {who})
                yield f"the mark of writer {who} runs out", state._replace(server=left).told(), None
            if who in state.table and writer.at == "ended":
                delivered = writer.row in ("", "removed")
                if delivered or (writer.killed and state.breaker != "closed"):
                    left_table = state.table - {who}
                    what = "is given back" if delivered and not writer.killed else "runs out"
                    yield f"the record of writer {who} {what}", state._replace(table=left_table), None
        if state.pushes:
            yield "a push is heard there", state._replace(pushes=state.pushes - 1).bumped(THERE), None

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fail(self, state: State) -> Iterator[Step]:
        faults = state.faults
        if faults.restarts and not any(each.at in ("note", "ask", "keep") for each in state.readers):
            ended = tuple(
                each
                if each.at == "ended"
                else each._replace(at="ended", killed=True, row=each.row * (each.row == "committed"))
                for each in state.writers
            )
            readers = tuple(each if each.host == THERE or each.at == "hit" else DONE for each in state.readers)
            yield (
                "every process here ENDS, and new ones start",
                state._replace(
                    table=frozenset(),
                    writers=ended,
                    readers=readers,
                    entries=(NO_ENTRY, state.entries[THERE]),
                    breaker="open",
                    faults=faults._replace(restarts=faults.restarts - 1),
                ),
                None,
            )
        if faults.flushes:
            left = EMPTY._replace(epoch=100)
            yield "FLUSH", state._replace(server=left, faults=faults._replace(flushes=faults.flushes - 1)).told(), None

    # --- judging ------------------------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> Breach | None:
        seen = {"Redis": live(state.server), "local memory here": state.entries[HERE], "there": state.entries[THERE]}
        for where, version in seen.items():
            if version is not None and NO_ENTRY < version < state.database:
                return "F", f"{where} {version} is left, the database holds {state.database}"
        return None

    def canonical(self, state: State) -> Hashable:
        return state


def _ours(name: str, shows: str = "", big: bool = False, **scope: object) -> Case:
    return Case(f"ours, {name}", Outbox(**scope), frozenset(shows), big=big)  # type: ignore[arg-type]


def _broken(name: str, shows: str, **fields: object) -> Case:
    return Case(name, Outbox(**fields), frozenset(shows), broken=True)  # type: ignore[arg-type]


_KILL, _RELAY_KILL = Faults(cuts=1, kills=1), Faults(cuts=1, relay_kills=1)
_RESTART, _FLUSH, _TWICE = Faults(cuts=1, restarts=1), Faults(cuts=1, flushes=1), Faults(cuts=2)
_ONE_HERE, _ONE_THERE = {"readers": (HERE,)}, {"readers": (THERE,)}
_ONE_PROCESS = {"one_process": True, "readers": (HERE, HERE)}
_OTHERS = {"readers": (), "others_read": True, "writers": 2, "faults": _TWICE}
_EMPTY = {"empty": True, **_ONE_THERE}

CASES = [
    _ours("cut off"),
    _ours("cut off, nothing cached", **_EMPTY),
    _ours("cut off, a kill, here", **_ONE_HERE, faults=_KILL),
    _ours("cut off, a kill, there", **_ONE_THERE, faults=_KILL),
    _ours("cut off, a relay killed, there", **_ONE_THERE, faults=_RELAY_KILL),
    _ours("cut off, a restart", **_ONE_HERE, faults=_RESTART),
    _ours("cut off, a flush, here", **_ONE_HERE, faults=_FLUSH),
    _ours("cut off, a flush, there", **_ONE_THERE, faults=_FLUSH),
    _ours("cut off, one process", one_process=True, **_ONE_HERE),
    _ours("cut off twice, two writers", **_OTHERS),
    _ours("cut off, two readers, a kill", faults=_KILL, big=True),
    _ours("cut off, two readers, a flush", faults=_FLUSH, big=True),
    _ours("cut off, two readers here", one_process=True, readers=(HERE, HERE), big=True),
    _ours("cut off twice, two writers, a reader there", **_ONE_THERE, faults=_TWICE, writers=2, big=True),
    _ours("cut off, two writers, a reader here", **_ONE_HERE, writers=2, big=True),
    _broken("row after the commit", "F", **_ONE_THERE, faults=_KILL, row_before_commit=False),
    _broken("removed before it is delivered", "F", **_ONE_THERE, faults=_RELAY_KILL, delivered_before_removed=False),
    _broken("breaker closed before the outbox is drained", "A", faults=_RESTART, drained_before_closed=False),
    _broken("not bypassed until delivered", "A", bypassed_until_delivered=False),
    # Without a file of stamps there is no table, and the process bypasses what it remembers itself.
    _broken("not bypassed until delivered, one process", "A", **_ONE_PROCESS, bypassed_until_delivered=False),
    _broken("delivery leaves the lease", "F", **_EMPTY, delivery_ends_leases=False),
    _broken("delivery not told", "F", delivery_is_told=False),
    _broken("no row for a lost unmark", "F", **_EMPTY, faults=_FLUSH, row_for_lost_unmark=False),
    _broken("one row for each key", "F", **_OTHERS, own_rows=False),
]
