"""What is done to the servers of a Redis, of any shape, while the players play."""

from __future__ import annotations

import random
from typing import Final

from tests.prove.shapes import Loss, Shape

__all__ = ["Server"]

_ROOM_BYTES: Final = 2 * 1024 * 1024
_BALLAST: Final = 20 * 1024
_PIECES: Final = 150


class Server:
    """A Redis, as its operator sees it; values are evicted when memory is short, marks are not."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.far_seconds = shape.far_seconds
        self.seldom = shape.seldom
        self._squeeze()

    def _squeeze(self) -> None:
        for each in self._shape.servers:
            used = int(each.client.info("memory")["used_memory"])
            each.client.config_set("maxmemory", used + _ROOM_BYTES)
            each.client.config_set("maxmemory-policy", "volatile-lru")

    def loss(self, chance: random.Random) -> Loss:
        """Choose how a server is to be lost next."""
        return chance.choice(self._shape.losses)

    def comes_back(self) -> bool:
        """Do what brings it back, as far as it is time for that; return whether it is."""
        if not self._shape.regained():
            return False
        self._squeeze()
        return True

    def come_back(self) -> None:
        """Wait until it is back."""
        self._shape.regain()
        self._squeeze()

    def flush(self) -> None:
        """Empty it."""
        self._shape.flush()

    def evict(self) -> int:
        """Fill its memory with what is worth as much as our values; returns how many keys had to go."""
        gone = 0
        for each in self._shape.primaries:
            before = int(each.client.info("stats")["evicted_keys"])
            tag = self._shape.tag(each)
            with each.client.pipeline(transaction=False) as pipe:
                for piece in range(_PIECES):
                    pipe.set(f"{tag}ballast:{piece}", b"x" * _BALLAST, px=300)
                pipe.execute(raise_on_error=False)
            gone += int(each.client.info("stats")["evicted_keys"]) - before
        return gone

    def disconnect(self) -> None:
        """Close every client's connection but our own."""
        self._shape.disconnect()
