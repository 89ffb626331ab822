"""Names of cached things: unambiguous, one cluster slot per organisation, no user's text in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS

from caching.errors import CachingError
from caching.key_secrets import digest_under, secret_count
from caching.object_ids import ObjectIdLike, is_object_id, object_id

__all__ = ["Key", "Part", "Scope", "digest", "parts_of", "parts_text"]

Part = str | int | UUID | date | ObjectIdLike

_PLAIN_ORG = re.compile(r"[A-Za-z0-9_-]{1,64}")


def digest(text: str) -> str:
    """Return 32 hexadecimal digits that stand for the name of an organisation or database (blake2b, 128 bits)."""
    # What JSON calls text may hold half a character; it is a name like any other.
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _org_name(org: str) -> str:
    # "~" stands in no plain name, so a digest never meets an organisation that is called like it.
    return org if _PLAIN_ORG.fullmatch(org) else "~" + digest(org)


def _part_name(part: Part, secret: int = 0) -> str:
    # The first letter tells the type: the number 5 and the text "5" are different keys.
    if isinstance(part, str):
        return "s" + digest_under(secret, part)
    if isinstance(part, UUID):
        return "u" + part.hex
    if isinstance(part, int) and not isinstance(part, bool):
        # Not as it shows itself: members of an enumeration do so by name.
        return f"i{int(part)}"
    if isinstance(part, date) and not isinstance(part, datetime):
        return "d" + part.isoformat()
    if is_object_id(part):
        return f"o{part}"
    raise CachingError(f"A key part must be text, a number, a UUID, an ObjectId or a date, not {type(part).__name__}.")


def parts_text(parts: Iterable[Part]) -> tuple[str, ...]:
    """Return the parts of a key as texts that `parts_of` makes the same parts of; unlike names, they can be read."""
    return tuple(f"s{part}" if isinstance(part, str) else _part_name(part) for part in parts)


def parts_of(texts: Iterable[str]) -> tuple[Part, ...]:
    """Return the parts that `parts_text` made these texts of; raises ValueError for others."""
    return tuple(_part_of(text[:1], text[1:]) for text in texts)


def _part_of(kind: str, text: str) -> Part:
    if kind == "s":
        return text
    if kind == "u":
        return UUID(text)
    if kind == "i":
        return int(text)
    if kind == "d":
        return date.fromisoformat(text)
    if kind == "o":
        return object_id(text)
    raise ValueError(f"{kind!r} is no kind of key part.")


class Scope:
    """All keys of one region and organisation: what a wide mark invalidates."""

    __slots__ = ("_hash", "_name", "org", "region")

    def __init__(self, region: str, org: str) -> None:
        self.region = region
        self.org = org
        self._hash = hash((region, org))
        self._name: str | None = None

    @property
    def name(self) -> str:
        # A read needs it several times.
        if self._name is None:
            self._name = f"{{{_org_name(self.org)}}}:{self.region}"
        return self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and (self.region, self.org) == (other.region, other.org)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<Scope {self.name}>"


# Those that are busy: a hundred bytes for each of ten thousand organisations would be more than their values take.
_scope = lru_cache(maxsize=512)(Scope)


class Key:
    """One cached value: region, organisation, further parts, and the database it is read from."""

    def __init__(self, region: str, org: str, parts: Iterable[Part] = (), alias: str = DEFAULT_DB_ALIAS) -> None:
        self.region = region
        self.org = org
        self.parts = tuple(parts)
        self.alias = alias
        #: The key in local memory, made of the parts themselves: cheap to build on a hit.
        self.local: tuple[str, str, str, *tuple[Part, ...]] = (region, alias, org, *self.parts)
        # A read looks it up two dozen times.
        self._hash = hash(self.local)
        self._name: str | None = None

    @property
    def scope(self) -> Scope:
        return _scope(self.region, self.org)

    @property
    def name(self) -> str:
        """The text that names the value in Redis, behind the project's prefix; the braces are its hash tag."""
        if self._name is None:
            self._name = self._make_name()
        return self._name

    def under_other_secrets(self) -> list[Key]:
        """Return the key by the names it has where the secrets but the first come first: what writers mark besides.

        These keys equal it, and only their names are others.
        """
        # Only text is digested under a secret.
        count = secret_count() if any(isinstance(part, str) for part in self.parts) else 1
        others = [Key(self.region, self.org, self.parts, self.alias) for _ in range(1, count)]
        for secret, other in enumerate(others, 1):
            other._name = other._make_name(secret)
        return others

    def _make_name(self, secret: int = 0) -> str:
        name = self.scope.name
        if self.alias != DEFAULT_DB_ALIAS:
            name += "@" + digest(self.alias)
        return ":".join((name, *(_part_name(part, secret) for part in self.parts))) if self.parts else name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.local == other.local

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<Key {self.name}>"
