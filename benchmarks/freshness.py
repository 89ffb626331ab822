"""Writes through the API while others read, and looks after each write whether every worker serves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from http.client import HTTPException
from itertools import cycle
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from benchmarks.webserver import Client, WebServer
from benchmarks.world import ORG, PHONES

__all__ = ["ADDRESSES", "Tally", "Write", "write_and_look", "writes", "writing"]

_BASE: Final = f"/api/v1/orgs/{ORG}"
_CUSTOMER: Final = f"{_BASE}/customers/{PHONES[0]}"

#: Where what is written is read, by the names of the rows.
ADDRESSES: Final = {
    "active": f"{_BASE}/orders/active/",
    "profile": f"{_BASE}/profile/",
    "balance": f"{_CUSTOMER}/balance/",
}


_MOST_TROUBLES: Final = 3


class Write(NamedTuple):
    """One write: how to send it, where it is read, and what every answer holds once it is acknowledged."""

    method: str
    address: str
    body: dict[str, str]
    read_at: str
    expected: bytes


@dataclass
class Tally:
    """What the writer has seen; `troubles` are the first words of what went wrong."""

    writes: int = 0
    reads: int = 0
    stale: int = 0
    errors: int = 0
    troubles: list[str] = field(default_factory=list)

    def trouble(self, words: str) -> None:
        """Count an answer that should not have come, or did not come."""
        self.errors += 1
        if len(self.troubles) < _MOST_TROUBLES:
            self.troubles.append(words)


def writes(server: WebServer) -> Iterator[Write]:
    """Yield writes without end, each of which changes what is read: of the profile, an order and the balance."""
    client = server.client()
    listed = msgspec.json.decode(client.ask("GET", ADDRESSES["active"]).body)["results"]
    balance = Decimal(msgspec.json.decode(client.ask("GET", ADDRESSES["balance"]).body)["balance"])
    client.close()
    for number, order in enumerate(cycle(listed), 1):
        mark = f"Write {number:06}, of the same length as what stood here"
        yield Write(
            "PATCH", ADDRESSES["profile"], {"legal_name": mark}, ADDRESSES["profile"], _json("legal_name", mark)
        )
        yield Write(
            "PATCH", f"{_BASE}/orders/{order['id']}/", {"notes": mark}, ADDRESSES["active"], _json("notes", mark)
        )
        balance += 1
        body = {"kind": "adjustment", "amount": "1.00"}
        yield Write("POST", f"{_CUSTOMER}/transactions/", body, ADDRESSES["balance"], _json("balance", str(balance)))


def _json(name: str, text: str) -> bytes:
    return f'"{name}":"{text}"'.encode()


@contextmanager
def writing(server: WebServer, upcoming: Iterator[Write], *, per_second: float, below: str = "") -> Iterator[Tally]:
    """Write at that rate, in a thread, as long as the block lasts; read what was written `below` its address."""
    tally, stop = Tally(), threading.Event()
    writer, readers = server.client(), [server.client(worker) for worker in server.workers]

    def write_on() -> None:
        due = time.monotonic()
        for write in upcoming:
            # A write whose fate is unknown is the last: nobody could say what is stale.
            if not write_and_look(write, writer, readers, tally, below=below):
                break
            due += 1 / per_second
            if stop.wait(max(0.0, due - time.monotonic())):
                break

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        yield tally
    finally:
        stop.set()
        thread.join()
        for client in (writer, *readers):
            client.close()


def write_and_look(write: Write, writer: Client, readers: Sequence[Client], tally: Tally, *, below: str = "") -> bool:
    """Send the write, then have every reader look for it; return whether the write was acknowledged."""
    try:
        answer = writer.ask(write.method, write.address, write.body, Idempotency_Key=uuid4().hex)
    except (OSError, HTTPException) as error:
        tally.trouble(f"{write.method} {write.address}: {error!r}")
        return False
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        tally.trouble(f"{write.method} {write.address}: {answer.status} {answer.body[:200]!r}")
        return False
    tally.writes += 1
    for reader in readers:
        _look(write, reader, tally, write.read_at + below)
    return True


def _look(write: Write, reader: Client, tally: Tally, address: str) -> None:
    try:
        answer = reader.ask("GET", address)
    except (OSError, HTTPException) as error:
        tally.trouble(f"GET {address}: {error!r}")
        return
    if answer.status != HTTPStatus.OK:
        tally.trouble(f"GET {address}: {answer.status} {answer.body[:200]!r}")
        return
    tally.reads += 1
    tally.stale += write.expected not in answer.body
