"""dogpile.cache: regions in memory, which keep references, and in Redis, which pickle."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from benchmarks.peers import Peer, Reading, absence, proved
from benchmarks.peers.values import Value

__all__ = ["DogpileMemory", "DogpileRedis"]

# As in its documentation; without one, its look-up does not even look at the clock.
_SECONDS: Final = 3600


class _Dogpile(Peer):
    name: str

    def __init__(self, backend: str, **arguments: Any) -> None:
        self._region: Any = None
        self._absence = absence("dogpile.cache", "dogpile.cache")
        if not self._absence:
            from dogpile.cache import make_region

            self._region = make_region().configure(backend, expiration_time=_SECONDS, arguments=arguments)

    def _reading(self, key: str, kept: object) -> Reading:
        if self._absence:
            return self._absence
        self._region.set(key, kept)
        return proved(partial(self._region.get, key), kept)

    def close(self) -> None:
        self._region = None


class DogpileMemory(_Dogpile):
    """A region in memory with the very objects that our methods return."""

    name = "dogpile memory"

    def __init__(self) -> None:
        super().__init__("dogpile.cache.memory")

    def reading(self, value: Value) -> Reading:
        return self._reading(value.name, value.read())


class DogpileRedis(_Dogpile):
    """A region in Redis with the serializers' data."""

    name = "dogpile redis"

    def __init__(self, url: str) -> None:
        super().__init__("dogpile.cache.redis", url=url)

    def reading(self, value: Value) -> Reading:
        return self._reading(value.name, value.data)

    def close(self) -> None:
        if self._region is not None:
            self._region.backend.reader_client.close()
        super().close()
