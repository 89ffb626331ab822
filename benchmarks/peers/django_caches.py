"""Django's own way to cache: the backends of CACHES, which pickle what they keep."""

from __future__ import annotations

from functools import partial

from django.core.cache import caches

from benchmarks.peers import Peer, Reading, proved
from benchmarks.peers.values import Value

__all__ = ["DjangoCache"]


class DjangoCache(Peer):
    """The backend `alias` of CACHES with the serializers' data in it."""

    def __init__(self, name: str, alias: str) -> None:
        self.name = name
        self._cache = caches[alias]
        self._kept: list[str] = []

    def reading(self, value: Value) -> Reading:
        self._cache.set(value.name, value.data)
        self._kept.append(value.name)
        return proved(partial(self._cache.get, value.name), value.data)

    def close(self) -> None:
        """Forget what was kept."""
        self._cache.delete_many(self._kept)
