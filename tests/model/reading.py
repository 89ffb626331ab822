"""The reader's steps between Redis and the database, one by one, as `caching/reading.py` takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.explorer import Breach
from tests.model.server import REJECTED, Server, Token, fill, lease, live, token

__all__ = ["DONE", "Reader", "ask_redis", "returned"]

_NOTHING_SEEN: Token = (-2, -2)


class Reader(NamedTuple):
    """One read of the key. `acked` and `committed` are the newest versions of that kind when it began.

    `at` is the next step; it ends at "keep" with a version that Redis had or accepted, or at "answer" with one that
    nobody may keep.
    """

    at: str = "look"
    host: int = 0
    #: The epochs it has fetched, and whether it rejected a value under them.
    seen: Token = _NOTHING_SEEN
    rejected: bool = False
    #: A writer of its host was under way when it asked (`is_pending`): it bypasses Redis, and keeps nothing.
    barred: bool = False
    leased: bool = False
    version: int = -1
    acked: int = 0
    committed: int = 0
    #: The newest version that not even another host's local memory may lack by then.
    due: int = 0
    #: The stamps are still the ones it noted (`Noted`): an entry that it keeps now would be valid.
    noted: bool = False
    #: The local tier it began with is still the process's.
    current: bool = True


#: Every read that has ended is the same.
DONE = Reader(at="done")


def ask_redis(server: Server, database: int, who: int, reader: Reader) -> Iterator[tuple[str, Server, Reader]]:
    """Yield what the reader's next step may be and what it leaves, from "look" to "keep" or "answer"."""
    if reader.at == "look":
        found = live(server)
        if found is None:
            reader = reader._replace(at="lease", seen=token(server), rejected=server.value is not None)
        else:
            reader = _found(reader, "keep", found)
        yield "looks", server, reader
    elif reader.at == "lease":
        server, verdict = lease(server, who, REJECTED if reader.rejected else reader.seen)
        if verdict == "taken":
            reader = reader._replace(at="load", rejected=False, leased=True)
        else:
            reader = _found(reader, "load" if verdict == "pending" else "wait")
        yield "asks for the lease", server, reader
    elif reader.at == "wait":
        found = live(server)
        if found is not None:
            yield "looks again", server, _found(reader, "keep", found)
        yield "waits no longer", server, _found(reader, "load")
    elif reader.at == "load" and reader.leased:
        yield "loads", server, reader._replace(at="fill", version=database)
    elif reader.at == "load":
        yield "loads", server, _found(reader, "answer", database)
    elif reader.at == "fill":
        server, accepted = fill(server, who, (reader.version, reader.seen))
        yield "fills", server, _found(reader, "keep" if accepted else "answer", reader.version)


def _found(reader: Reader, at: str, version: int = -1) -> Reader:
    # What is not needed any more would only make more states.
    return reader._replace(at=at, version=version, seen=_NOTHING_SEEN, rejected=False, leased=False)


def returned(reader: Reader, who: str, version: int | None = None) -> Breach | None:
    """Judge what a reader returns: A, older than was acknowledged when it began; C, older than was committed."""
    version = reader.version if version is None else version
    if version < reader.acked:
        return "A", f"{who} returns {version}, {reader.acked} had been acknowledged when it began"
    if version < reader.committed:
        return "C", f"{who} returns {version}, {reader.committed} had been committed when it began"
    return None
