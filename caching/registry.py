"""Every declared region of the process, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from django.db import DEFAULT_DB_ALIAS

from caching.dependencies import DependencyMap
from caching.errors import CachingError, UnknownOrganisation, UnknownRegion
from caching.routing import reads_from

if TYPE_CHECKING:
    from caching.regions import Region

__all__ = ["Registry", "registry"]


class Registry:
    """Regions register themselves when their `cached.py` is imported."""

    def __init__(self) -> None:
        self.regions: dict[str, Region[Any]] = {}
        #: Given organisations, returns those that exist. Set by the `cached.py` of the app that owns them; None: nobody
        #: can tell, and every name is taken for one.
        self.organisations: Callable[[Collection[str]], Iterable[str]] | None = None
        #: Given a text and how many at most, returns organisations whose id or name is like it, as (id, name). Set in
        #: the same place; None: operators type ids.
        self.find_organisations: Callable[[str, int], Iterable[tuple[str, str]]] | None = None
        #: Given two aware moments, returns (organisation, aware moment) for each time it opens, from the first
        #: to before the second. Set likewise; None: nobody can tell, and nothing is loaded before it opens.
        self.openings: Callable[[datetime, datetime], Iterable[tuple[str, datetime]]] | None = None

    def add(self, region: Region[Any]) -> None:
        if region.name in self.regions:
            raise CachingError(f"Two cache regions are called {region.name!r}; names are unique in a project.")
        self.regions[region.name] = region
        self._forget_derived()

    def remove(self, region: Region[Any]) -> None:
        """Take a region out again, as tests of declarations do."""
        del self.regions[region.name]
        self._forget_derived()

    def _forget_derived(self) -> None:
        for name in ("dependencies", "fingerprint", "followed"):
            self.__dict__.pop(name, None)

    def get(self, name: str) -> Region[Any]:
        """Return the region of that name; raises `UnknownRegion`, which names the declared ones."""
        try:
            return self.regions[name]
        except KeyError:
            raise UnknownRegion(name, list(self.regions)) from None

    def require_organisations(self, orgs: Collection[str]) -> None:
        """Do nothing if all these organisations exist; raises `UnknownOrganisation`, which names those that do not."""
        if orgs and self.organisations is not None:
            # A replica may not have heard of a new one.
            with reads_from(DEFAULT_DB_ALIAS):
                missing = set(orgs).difference(self.organisations(orgs))
            if missing:
                raise UnknownOrganisation(list(missing))

    @cached_property
    def dependencies(self) -> DependencyMap:
        return DependencyMap(self.regions.values())

    @cached_property
    def followed(self) -> frozenset[str]:
        """The names of regions that others follow."""
        return frozenset(each.region for region in self.regions.values() for each in region.follows)

    @cached_property
    def fingerprint(self) -> bytes:
        """8 bytes that change with what is declared: releases with other dependencies never share values."""
        text = repr(sorted((region.name, region.declaration) for region in self.regions.values()))
        return blake2b(text.encode(), digest_size=8).digest()


registry = Registry()
