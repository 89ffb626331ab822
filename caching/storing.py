"""How a region's values lie in Redis: compressed above a size, encrypted or not."""

from __future__ import annotations

from msgspec import UnsetType

from caching.conf import conf

__all__ = ["Stored"]


class Stored:
    """How the values of a region lie in Redis; each is read anew from the settings."""

    name: str

    def __init__(self, compress_above: float | UnsetType | None, encrypted: bool | None) -> None:
        self._compress_above = compress_above
        #: What is declared; None: encrypted when there are keys.
        self.demands_encryption = encrypted

    @property
    def encrypted(self) -> bool:
        """Whether its values must be encrypted; unless somebody says so, when there are keys."""
        demanded: bool | None = (conf.REGIONS.get(self.name) or {}).get("encrypted", self.demands_encryption)
        return bool(conf.ENCRYPTION_KEYS) if demanded is None else demanded

    @property
    def compress_above(self) -> float | None:
        """The size in bytes above which its values are compressed; None: none is.

        Of an encrypted region only by its own word: the size of what is compressed tells of what is in it.
        """
        own = (conf.REGIONS.get(self.name) or {}).get("compress_above", self._compress_above)
        if not isinstance(own, UnsetType):
            return own
        return None if self.encrypted else conf.COMPRESS_ABOVE
