"""Which server of a Redis Cluster holds what: hash slots, and what CLUSTER NODES says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from redis.crc import key_slot

from caching.errors import RedisUnavailable

__all__ = ["Address", "Map", "View", "redirection", "reign_of", "slot_of"]

#: Host and port.
Address = tuple[str, int]

_SLOTS: Final = 16_384
_NOT_SERVING: Final = frozenset({"handshake", "noaddr"})
_PLACE: Final = re.compile(r"(?P<host>[^,@]*):(?P<port>[0-9]+)(?:@[0-9]+)?(?:,(?P<name>[^,]*))?(?:,.*)?")


def slot_of(key: str | bytes) -> int:
    """Return the hash slot of a key (CRC16, of the hash tag alone if there is one)."""
    return key_slot(key if isinstance(key, bytes) else key.encode())


class Map(NamedTuple):
    """What one server says: the address of each slot's primary (None: of nobody), and of each primary by its node id.

    Primaries without slots are among them: keys on their way there are written there already. One that has failed and
    lost its slots to a replica is not.
    """

    slots: Sequence[Address | None]
    primaries: Mapping[str, Address]
    #: The same addresses by each way to write them: a server with a name has a number, too.
    known: Mapping[Address, Address]

    @classmethod
    def parse(cls, text: object, asked: Address) -> Map:
        """Read the answer to CLUSTER NODES of the server at `asked`; raises `RedisUnavailable` for any other answer."""
        slots: list[Address | None] = [None] * _SLOTS
        primaries: dict[str, Address] = {}
        known: dict[Address, Address] = {}
        try:
            if not isinstance(text, bytes):
                raise TypeError
            for line in text.decode().splitlines():
                node_id, place, flags, _, _, _, _, _, *ranges = line.split(" ")
                kinds = set(flags.split(","))
                # Behind a bracket are slots on their way: they are here until they have arrived.
                held = [each for each in ranges if each and not each.startswith("[")]
                if "master" not in kinds or kinds & _NOT_SERVING or ("fail" in kinds and not held):
                    continue
                address, number = _addresses(place, asked)
                primaries[node_id] = known[address] = known[number] = address
                for each in held:
                    first, _, last = each.partition("-")
                    begin, end = int(first), int(last or first) + 1
                    slots[begin:end] = [address] * (end - begin)
        except (TypeError, ValueError):
            word = str(text).partition(" ")[0] if isinstance(text, Exception) else "nothing of use"
            message = f"CLUSTER NODES was answered with {word}; is the server one of a cluster?"
            raise RedisUnavailable(message, outage=True) from None
        return cls(slots, primaries, known)


def _addresses(place: str, asked: Address) -> tuple[Address, Address]:
    # By name, if it has one (a certificate is made out to that), and by number.
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError(place)
    # A server that nobody has spoken to by its address does not know it.
    host, port = found["host"] or asked[0], int(found["port"])
    return (found["name"] or host, port), (host, port)


class View(NamedTuple):
    """A map together with who its primaries were when it was made: which process each was, in which reign."""

    map: Map
    run_ids: Mapping[Address, bytes]
    #: One for all: it changes when any of them was replaced, demoted or restarted.
    run_id: bytes


def reign_of(run_ids: Sequence[bytes]) -> bytes:
    """Return what tells these primaries, each in its present reign, from any others."""
    return blake2b(b"|".join(sorted(run_ids)), digest_size=20).hexdigest().encode()


def redirection(answer: Any, asked: Address) -> tuple[str, Address] | None:
    """Return "MOVED" or "ASK" and the address, for an answer that sends the asker on to another server."""
    kind, _, rest = str(answer).partition(" ")
    if kind not in ("MOVED", "ASK"):
        return None
    host, _, port = rest.partition(" ")[2].rpartition(":")
    return kind, (host or asked[0], int(port))
