"""Small stand-ins for the packages that `make bench` installs: what peers ask of them, and no more."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["cashews_modules", "dogpile_modules"]


class _Client:
    closed = False

    def close(self) -> None:
        self.closed = True


class _Region:
    """A dogpile region: a dictionary, with how it was configured."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def configure(self, backend: str, *, expiration_time: float, arguments: dict[str, Any]) -> _Region:
        self.configured = (backend, expiration_time, arguments)
        self.backend = type("Backend", (), {"reader_client": _Client()})()
        return self

    def set(self, key: str, value: object) -> None:
        self.kept[key] = value

    def get(self, key: str) -> object:
        return self.kept.get(key, "no value")


def dogpile_modules(made: list[_Region]) -> dict[str, ModuleType]:
    """Return `dogpile` by its modules' names; the regions that are made go into `made`."""
    cache = ModuleType("dogpile.cache")

    def make_region() -> _Region:
        made.append(_Region())
        return made[-1]

    cache.make_region = make_region
    return {"dogpile": ModuleType("dogpile"), "dogpile.cache": cache}


class _Memory:
    """A cashews memory: a dictionary."""

    def __init__(self, size: int) -> None:
        self.kept: dict[str, Any] = {}

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class _Cache:
    """A cashews cache: a dictionary, with a copy in memory if it is set up so; `read` are the keys it had to read."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.read: list[str] = []
        self.closed = False

    def setup(self, url: str, local_cache: _Memory | None = None) -> None:
        self.url = url
        self.copies = local_cache or _Memory(1000)

    async def set(self, key: str, value: object, *, expire: float) -> None:
        self.kept[key] = self.copies.kept[key] = value

    async def get(self, key: str) -> object:
        if key not in self.copies.kept:
            self.read.append(key)
            self.copies.kept[key] = self.kept.get(key)
        return self.copies.kept[key]

    async def close(self) -> None:
        self.closed = True


def cashews_modules(made: list[_Cache]) -> dict[str, ModuleType]:
    """Return `cashews` by its modules' names; the caches that are made go into `made`."""
    cashews, backends, memory = map(ModuleType, ("cashews", "cashews.backends", "cashews.backends.memory"))

    def cache() -> _Cache:
        made.append(_Cache())
        return made[-1]

    cashews.Cache = cache
    memory.Memory = _Memory
    return {"cashews": cashews, "cashews.backends": backends, "cashews.backends.memory": memory}
