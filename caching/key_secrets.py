"""The secret in the names of keys: a phone number is soon guessed from a digest that everybody can compute."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from django.conf import settings
from django.utils.encoding import force_bytes

from caching.conf import conf

__all__ = ["agree", "digest_under", "forget", "secret_count", "secret_ids"]


class _Secret(NamedTuple):
    # What a process tells of the secret it has, so that others may compare.
    id: str
    key: bytes


_known: tuple[_Secret, ...] | None = None


def _secrets() -> tuple[_Secret, ...]:
    global _known
    if _known is None:
        given = conf.KEY_SECRETS or (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        given = [given] if isinstance(given, str | bytes) else given
        keys = dict.fromkeys(blake2b(force_bytes(each), person=b"caching names").digest() for each in given)
        _known = tuple(_Secret(blake2b(key, digest_size=6, person=b"caching id").hexdigest(), key) for key in keys)
    return _known


def forget() -> None:
    """Read the settings anew."""
    global _known
    _known = None


def secret_count() -> int:
    """Return how many secrets name keys: writers mark the names under all, readers know the first alone."""
    return len(_secrets())


def secret_ids() -> tuple[str, ...]:
    """Return what tells the secrets apart and tells nothing of them, the first one's first."""
    return tuple(each.id for each in _secrets())


def digest_under(which: int, text: str) -> str:
    """Return 32 hexadecimal digits that stand for `text` (BLAKE2b keyed with that secret, RFC 7693)."""
    # What JSON calls text may hold half a character; it is a name like any other.
    key = _secrets()[which].key
    return blake2b(text.encode(errors="surrogatepass"), key=key, digest_size=16).hexdigest()


def agree(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether two processes with secrets of these ids make stale what the other one reads.

    Each writer must know the secret that the other one's names begin with. Who tells no ids is of an older release.
    """
    return not ours or not theirs or (ours[0] in theirs and theirs[0] in ours)
