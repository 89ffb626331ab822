"""What is done to the Valkey server while the players play."""

from __future__ import annotations

from typing import Final

import redis

__all__ = ["Server"]

_ROOM_BYTES: Final = 2 * 1024 * 1024
_BALLAST: Final = 20 * 1024
_PIECES: Final = 150


class Server:
    """One Valkey server, as its operator sees it; values are evicted when memory is short, marks are not."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        used = int(self._client.info("memory")["used_memory"])
        self._client.config_set("maxmemory", used + _ROOM_BYTES)
        self._client.config_set("maxmemory-policy", "volatile-lru")

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
