"""All that the shops' regions can be asked, so that a test may compare every answer with the database's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from caching import Region
from tests.shop import cached
from tests.shop.models import Dish, Room, Seat, Shop, Tag, Waiter

Question = tuple[Region[Any], tuple[Any, ...]]


class Everything:
    """The names of everything that stands or once stood in the database, with every shop it may be looked for in."""

    def __init__(self, using: str = "default") -> None:
        self._using = using
        self._seen: dict[Any, set[Any]] = {model: set() for model in (Shop, Dish, Seat, Room, Tag, Waiter)}
        self.look()

    def look(self) -> None:
        """Remember what stands there now: what goes must be asked for afterwards."""
        for model, pks in self._seen.items():
            pks.update(model.objects.using(self._using).values_list("pk", flat=True))

    def _questions(self) -> Iterator[Question]:
        by_part = {
            cached.dish: self._seen[Dish],
            cached.tally: ("starter", "main"),
            cached.seat: self._seen[Seat],
            cached.section: self._seen[Waiter],
            cached.tagged: self._seen[Tag],
            cached.guests: self._seen[Room],
        }
        for region in (cached.shop, cached.menu, cached.labels, cached.plan):
            yield from ((region, (org,)) for org in self._seen[Shop])
        for region, parts in by_part.items():
            yield from ((region, name) for name in product(self._seen[Shop], parts))

    def answers(self, *, use_cache: bool = True) -> dict[str, Any]:
        """Ask everything, through the cache or around it."""
        return {
            f"{region.name}{name}": region.get(*name, using=self._using, use_cache=use_cache)
            for region, name in self._questions()
        }

    def assert_fresh(self) -> dict[str, Any]:
        """Compare what the cache answers with the database, and return the answers."""
        self.look()
        answers, truth = self.answers(), self.answers(use_cache=False)
        stale = {name: (answer, truth[name]) for name, answer in answers.items() if answer != truth[name]}
        assert not stale, stale
        return truth
