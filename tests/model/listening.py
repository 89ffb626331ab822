"""Local memory of a host that hears of another host's writes through Redis: pushes, pings, trust, reconnection.

The writer is on one host, the readers are threads of a process on another. `caching/listener.py` turns each push into
a change of the stamps, pings, and trusts local memory until the bound after the last answered ping was sent
(`Runtime.trust`); after a reconnection, or when Redis has forgotten what it tracked, the process drops its local tier
(`Runtime.drop_local`). Pushes and answers to pings come over one connection, in order, and late. Time passes in ticks.

Violations: A, what came from Redis was older than what was acknowledged when the read began; L, local memory was older
than what was acknowledged a bound before the read began, or at all, if every push had been heard by then.

A read that hits and one that misses are two readers here: the one ends when it misses, the other never hits. At first
Redis and local memory both hold the value.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explorer import Breach, Case, Step, put
from tests.model.reading import DONE, Reader, ask_redis, returned
from tests.model.server import EMPTY, Server, mark, token, unmark

__all__ = ["CASES", "Faults", "Listening"]

NO_ENTRY = -1
NO_PING = -1

_STEPS_OF_WRITER = ("mark", "commit", "unmark")


class Faults(NamedTuple):
    """How many of each kind may still happen."""

    #: The listener's connection dies without a word.
    cuts: int = 0
    flushes: int = 0


NO_FAULTS = Faults()


class State(NamedTuple):
    server: Server
    database: int
    #: How many ticks ago each version was acknowledged, up to the bound; -1: not yet.
    ages: tuple[int, ...]
    writers: tuple[int, ...]
    readers: tuple[Reader, ...]
    #: The oldest valid entry of the tier, and of the one that was dropped.
    entry: int
    dropped: int
    #: Ticks for which local memory is still trusted.
    trust: int
    #: What the listener has not read yet: "push", "null" (Redis forgot), "pong".
    messages: tuple[str, ...]
    #: How many ticks ago the unanswered ping was sent.
    ping: int
    #: "up", "cut" (and nobody knows), "lost", and half way back.
    link: str
    faults: Faults

    def told(self, message: str) -> State:
        """Redis tells the listener, if there still is a connection; telling twice changes nothing."""
        if self.link not in ("up", "tracking") or self.messages[-1:] == (message,):
            return self
        return self._replace(messages=(*self.messages, message))

    def bumped(self) -> State:
        readers = tuple(each._replace(noted=False) for each in self.readers)
        return self._replace(entry=NO_ENTRY, dropped=NO_ENTRY, readers=readers)


@dataclass(frozen=True)
class Listening:
    """Ours, unless a field says what is broken."""

    faults: Faults = NO_FAULTS
    hits: int = 1
    misses: int = 1
    writers: int = 1
    #: Ticks for which local memory is trusted after a ping.
    bound: int = 1
    #: No time passes, and the listener does not ping: local memory is trusted as long as it is connected.
    untimed: bool = False

    #: Trust ends, and is counted from when the ping was sent.
    trust_ends: bool = True
    trust_from_sending: bool = True
    #: Pings take the way of the pushes.
    one_connection: bool = True
    drops_on_reconnect: bool = True
    #: The connection tracks before local memory is dropped.
    tracks_first: bool = True
    #: A read keeps in the tier with which it began.
    keeps_in_its_tier: bool = True
    #: A hit asks for trust before it looks at the stamps, and never for a tier that was dropped.
    trust_before_stamps: bool = True
    trusts_only_current: bool = True
    #: Unmark writes the pending writers though its mark is gone.
    unmark_always_told: bool = True

    @property
    def start(self) -> State:
        readers = (Reader(at="begin"),) * self.hits + (Reader(at="note"),) * self.misses
        ages = (-1,) * self.writers
        writers = (0,) * self.writers
        server = EMPTY._replace(value=(0, token(EMPTY)))
        return State(server, 0, ages, writers, readers, 0, NO_ENTRY, self.bound, (), NO_PING, "up", self.faults)

    def steps(self, state: State) -> Iterator[Step]:
        for who, reader in enumerate(state.readers):
            if reader.at != "done":
                yield from self._read(state, who)
        for who in range(len(state.writers)):
            yield from self._write(state, who)
        yield from self._listen(state)
        yield from self._fail(state)
        if not self.untimed:
            yield "time passes", self._ticked(state), None

    # --- readers ------------------------------------------------------------------------------------------------------

    def _read(self, state: State, who: int) -> Iterator[Step]:
        reader, name = state.readers[who], f"reader {who}"
        if reader.at in ("begin", "trust", "stamps"):
            yield from self._hit(state, who)
        elif reader.at == "note":
            noted = reader._replace(at="look", noted=True, acked=self._acked(state))
            yield f"{name} notes the stamps", self._moved(state, who, noted), None
        elif reader.at == "keep":
            yield f"{name} keeps {reader.version}", self._kept(state, who), returned(reader, name)
        else:
            for action, server, after in ask_redis(state.server, state.database, who, reader):
                left, breach = state._replace(server=server), None
                if after.at == "answer":
                    after, breach = DONE, returned(after, name)
                yield f"{name} {action}", self._moved(left, who, after), breach

    def _hit(self, state: State, who: int) -> Iterator[Step]:
        """`Region.hit` and `Runtime.find`: they take the tier, then look twice, and others may come between."""
        reader, name = state.readers[who], f"reader {who}"
        order = ("trust", "stamps") if self.trust_before_stamps else ("stamps", "trust")
        if reader.at == "begin":
            began = reader._replace(at=order[0], due=self._due(state))
            yield f"{name} begins", self._moved(state, who, began), None
            return
        if reader.at == "trust":
            good, version = state.trust > 0 and (reader.current or not self.trusts_only_current), reader.version
        else:
            version = state.entry if reader.current else state.dropped
            good = version != NO_ENTRY
        if not good:
            yield f"{name} misses", self._moved(state, who, DONE), None
        elif reader.at == order[0]:
            found = reader._replace(at=order[1], version=version)
            yield f"{name} finds its {reader.at} good", self._moved(state, who, found), None
        else:
            breach = None
            if version < reader.due:
                breach = "L", f"{name} returns {version} from local memory, {reader.due} was due when it began"
            yield f"{name} finds its {reader.at} good", self._moved(state, who, DONE), breach

    def _kept(self, state: State, who: int) -> State:
        reader = state.readers[who]
        if reader.noted:
            current = reader.current or not self.keeps_in_its_tier
            before = state.entry if current else state.dropped
            oldest = reader.version if before == NO_ENTRY else min(before, reader.version)
            state = state._replace(entry=oldest) if current else state._replace(dropped=oldest)
        return self._moved(state, who, DONE)

    def _moved(self, state: State, who: int, reader: Reader) -> State:
        return state._replace(readers=put(state.readers, who, reader))

    def _acked(self, state: State) -> int:
        return max((version for version, age in enumerate(state.ages, 1) if age >= 0), default=0)

    def _due(self, state: State) -> int:
        if state.link == "up" and "push" not in state.messages and "null" not in state.messages:
            return self._acked(state)
        return max((version for version, age in enumerate(state.ages, 1) if age >= self.bound), default=0)

    # --- writers ------------------------------------------------------------------------------------------------------

    def _write(self, state: State, who: int) -> Iterator[Step]:
        # The version a writer has committed stands beside its step: 10 times it.
        version, step = divmod(state.writers[who], 10)
        if step == len(_STEPS_OF_WRITER):
            return
        server, database, ages, tells = state.server, state.database, state.ages, True
        name = _STEPS_OF_WRITER[step]
        if name == "mark":
            server = mark(server, who)
        elif name == "unmark":
            tells = self.unmark_always_told or who in server.pending
            server = unmark(server, who)
            ages = put(ages, version - 1, 0)
        else:
            database = version = database + 1
            tells = False
        after = version * 10 + step + 1 if name != "unmark" else len(_STEPS_OF_WRITER)
        left = state._replace(server=server, database=database, ages=ages, writers=put(state.writers, who, after))
        yield f"writer {who}: {name}", left.told("push") if tells else left, None

    # --- the listener -------------------------------------------------------------------------------------------------

    def _listen(self, state: State) -> Iterator[Step]:
        if state.messages:
            message, rest = state.messages[0], state._replace(messages=state.messages[1:])
            if message == "push":
                yield "a push is heard", rest.bumped(), None
            elif message == "null":
                yield "a null push is heard", self._drop(rest), None
            else:
                yield "an answer to a ping is heard", self._trusting(rest), None
        if not self.untimed and state.link == "up" and state.ping == NO_PING:
            yield "a ping is sent", state._replace(ping=0), None
        if state.link == "up" and state.ping != NO_PING and "pong" not in state.messages:
            if self.one_connection:
                yield "Redis answers the ping", state._replace(messages=(*state.messages, "pong")), None
            else:
                yield "another connection answers the ping", self._trusting(state), None
        if state.link == "lost":
            if self.tracks_first:
                yield "the listener is tracking again", state._replace(link="tracking"), None
            else:
                dropped = self._drop(state) if self.drops_on_reconnect else state
                yield "local memory is dropped", dropped._replace(link="dropped"), None
        elif state.link == "tracking":
            dropped = self._drop(state) if self.drops_on_reconnect else state
            yield "local memory is dropped", dropped._replace(link="up"), None
        elif state.link == "dropped":
            yield "the listener is tracking again", state._replace(link="up"), None

    def _trusting(self, state: State) -> State:
        left = self.bound - (state.ping if self.trust_from_sending else 0)
        return state._replace(trust=max(state.trust, left), ping=NO_PING)

    def _drop(self, state: State) -> State:
        begun = ("begin", "note", "done")
        readers = tuple(each if each.at in begun else each._replace(current=False) for each in state.readers)
        return state._replace(entry=NO_ENTRY, dropped=state.entry, readers=readers)

    # --- faults and time ----------------------------------------------------------------------------------------------

    def _fail(self, state: State) -> Iterator[Step]:
        faults = state.faults
        if faults.cuts and state.link == "up":
            fewer = faults._replace(cuts=faults.cuts - 1)
            yield "the listener is CUT OFF", state._replace(link="cut", messages=(), faults=fewer), None
        if state.link == "cut":
            yield "the listener notices", state._replace(link="lost", ping=NO_PING), None
        if faults.flushes:
            fewer = faults._replace(flushes=faults.flushes - 1)
            yield "FLUSH", state._replace(server=EMPTY._replace(epoch=100), faults=fewer).told("null"), None

    def _ticked(self, state: State) -> State:
        ages = tuple(min(age + 1, self.bound) if age >= 0 else age for age in state.ages)
        ping = min(state.ping + 1, self.bound) if state.ping != NO_PING else NO_PING
        return state._replace(ages=ages, ping=ping, trust=max(0, state.trust - 1) if self.trust_ends else state.trust)

    # --- judging ------------------------------------------------------------------------------------------------------

    def at_rest(self, state: State) -> Breach | None:
        """Time never rests; local memory is judged by those who read it."""
        return None

    def canonical(self, state: State) -> Hashable:
        return state


_CUT = {"faults": Faults(cuts=1)}
_FLUSH = {"faults": Faults(flushes=1)}


def _ours(name: str, shows: str = "", big: bool = False, **scope: object) -> Case:
    return Case(f"ours, {name}", Listening(**scope), frozenset(shows), big=big)  # type: ignore[arg-type]


def _broken(name: str, shows: str, **fields: object) -> Case:
    return Case(name, Listening(**fields), frozenset(shows), broken=True)  # type: ignore[arg-type]


CASES = [
    _ours("no fault", misses=2, untimed=True),
    _ours("cut off", **_CUT),
    _ours("a flush", **_FLUSH, untimed=True),
    _ours("two writers", writers=2, untimed=True),
    _ours("two readers miss, cut off", **_CUT, misses=2, big=True),
    _ours("cut off, a longer bound", **_CUT, bound=2, big=True),
    _ours("a flush, and time", **_FLUSH, big=True),
    _ours("two writers, and time", writers=2, big=True),
    _broken("trust without end", "L", **_CUT, trust_ends=False),
    _broken("trust counted from the answer to the ping", "L", trust_from_sending=False),
    _broken("pings over another connection", "L", one_connection=False),
    _broken("reconnected without dropping", "L", **_CUT, drops_on_reconnect=False),
    _broken("dropped before tracking again", "L", **_CUT, tracks_first=False),
    _broken("a fill under way survives the drop", "L", **_CUT, keeps_in_its_tier=False),
    _broken("trust given to a dropped tier", "L", **_CUT, trusts_only_current=False),
    _broken("trust looked at after the stamps", "L", trust_before_stamps=False),
    _broken("unmark not told when its mark is gone", "L", **_FLUSH, untimed=True, unmark_always_told=False),
]
