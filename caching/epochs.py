"""Names of Redis keys, and the epochs that make clearing anything one small write."""

from __future__ import annotations

import secrets
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

from caching.conf import conf
from caching.keys import Scope

__all__ = ["EpochNames", "Named", "clear_name", "epoch_names", "fresh_token", "guard_names", "token", "wide_names"]

EpochNames = tuple[str, str, str, str]


class Named(Protocol):
    """A key or a scope, or what is left of one in the outbox: its name."""

    @property
    def name(self) -> str: ...


def fresh_token() -> str:
    """Return a random epoch: a counter that was evicted would repeat itself."""
    return secrets.token_hex(8)


def guard_names(key: Named) -> tuple[str, str, str]:
    """Return the names of the key's value, its fill lease and its pending writers."""
    prefix = conf.PREFIX
    return f"{prefix}v:{key.name}", f"{prefix}l:{key.name}", f"{prefix}p:{key.name}"


def wide_names(scope: Named) -> tuple[str, str]:
    """Return the names of the scope's epoch and of its pending writers (no key's name ends in a star)."""
    return f"{conf.PREFIX}e:s:{scope.name}", f"{conf.PREFIX}p:{scope.name}:*"


def clear_name(region: str | None, org: str | None) -> str:
    """Return the epoch to change in order to clear a region, an organisation, both or everything."""
    if region is not None and org is not None:
        return wide_names(Scope(region, org))[0]
    if org is not None:
        # The name of a scope without a region is the organisation's, hash tag and colon included.
        return f"{conf.PREFIX}e:o:{Scope('', org).name}"
    return f"{conf.PREFIX}e:r:{region}" if region is not None else f"{conf.PREFIX}e:"


def epoch_names(scope: Scope) -> EpochNames:
    """Return the epochs a value of the scope depends on: everything's, the region's, the organisation's, its own."""
    return (
        clear_name(None, None),
        clear_name(scope.region, None),
        clear_name(None, scope.org),
        clear_name(scope.region, scope.org),
    )


# The epochs of a scope stay as they are for most of its reads.
@lru_cache(maxsize=2048)
def token(run_id: bytes, declarations: bytes, epochs: tuple[bytes, ...]) -> bytes:
    """Return 16 bytes that change with any of the epochs, the server process or the declarations."""
    return blake2b(b"|".join((run_id, declarations, *epochs)), digest_size=16).digest()
