"""What is done to the Valkey server while the players play."""

from __future__ import annotations

from typing import Final

import redis

from tests.prove.processes import Place

__all__ = ["Server"]

_ROOM_BYTES: Final = 2 * 1024 * 1024
_BALLAST: Final = 20 * 1024
_PIECES: Final = 150


class Server:
    """One Valkey server, as its operator sees it; values are evicted when memory is short, marks are not."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._connect()

    def _connect(self) -> None:
        self._client = redis.Redis.from_url(self._place.environment["REDIS_URL"])
        used = int(self._client.info("memory")["used_memory"])
        self._client.config_set("maxmemory", used + _ROOM_BYTES)
        self._client.config_set("maxmemory-policy", "volatile-lru")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._client.close()
        self._place.redis_kill()

    def return_empty(self) -> None:
        """Have another one in its place."""
        self._place.redis_return()
        self._connect()

    def flush(self) -> None:
        """Empty it."""
        self._client.flushall()

    def evict(self) -> int:
        """Fill its memory with what is worth as much as our values; returns how many keys had to go."""
        before = self._evicted()
        with self._client.pipeline(transaction=False) as pipe:
            for piece in range(_PIECES):
                pipe.set(f"ballast:{piece}", b"x" * _BALLAST, px=300)
            pipe.execute(raise_on_error=False)
        return self._evicted() - before

    def disconnect(self) -> None:
        """Close every client's connection but our own."""
        self._client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def close(self) -> None:
        self._client.close()

    def _evicted(self) -> int:
        return int(self._client.info("stats")["evicted_keys"])
