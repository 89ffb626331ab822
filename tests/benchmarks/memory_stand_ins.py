"""Stand-ins for the packages that the memory of caches is measured with: what is asked of them, and no more."""

from __future__ import annotations

from types import ModuleType
from typing import Any

__all__ = ["Growing", "cashews_module", "dogpile_module"]


class Growing(ModuleType):
    """psutil, in a process that has so many bytes more each time somebody looks."""

    def __init__(self, name: str, bytes_more: int) -> None:
        assert name == "psutil"
        super().__init__(name)
        self.uss = 0
        self._more = bytes_more

    def Process(self) -> Growing:  # noqa: N802 -- psutil's name
        return self

    def memory_full_info(self) -> Growing:
        self.uss += self._more
        return self


class _Region(dict[str, Any]):
    """A dogpile region."""

    def configure(self, backend: str, *, expiration_time: float) -> _Region:
        assert backend == "dogpile.cache.memory"
        return self

    def set(self, key: str, value: object) -> None:
        self[key] = value


def dogpile_module() -> ModuleType:
    """Return `dogpile.cache`."""
    module: Any = ModuleType("dogpile.cache")
    module.make_region = _Region
    return module  # type: ignore[no-any-return]


class _Cache:
    """A cashews cache."""

    def setup(self, url: str, *, size: int) -> None:
        assert url == "mem://"
        self._kept: dict[str, Any] = {}

    async def set(self, key: str, value: object, *, expire: float) -> None:
        self._kept[key] = value

    async def get(self, key: str) -> Any:
        return self._kept.get(key)

    async def close(self) -> None:
        del self._kept


def cashews_module() -> ModuleType:
    """Return `cashews`."""
    module: Any = ModuleType("cashews")
    module.Cache = _Cache
    return module  # type: ignore[no-any-return]
