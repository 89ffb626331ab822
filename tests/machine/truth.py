"""What the database has held, told from its rows alone, and so what a read may return."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import QuerySet, Sum

from caching import Listing, Region
from caching.snapshots import Snapshot, encode
from tests.shop.cached import DishCopy, ShopCopy, Tally, dish, menu, shop
from tests.shop.models import Dish, Review, Shop

__all__ = ["Truth", "Value"]


class Value(NamedTuple):
    """One cached value: a region and what its keys are made of."""

    region: Region[Any]
    org: str
    parts: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"{self.region.name}({self.org}, {', '.join(map(str, self.parts))})"


class _Rows:
    """All rows, as this thread's connection sees them."""

    def __init__(self) -> None:
        # Django's own query sets, of which the cache knows nothing, on whatever database.
        self._shops = {slug: tuple(rest) for slug, *rest in QuerySet(Shop).values_list("slug", "name", "rate")}
        stars = dict(QuerySet(Review).order_by().values_list("dish_id").annotate(Sum("stars")))
        rows = QuerySet(Dish).order_by("name").values_list("pk", "version", "name", "kind", "shop_id")
        self._dishes = [
            (org, kind, DishCopy(id=pk, version=version, name=name, stars=stars.get(pk, 0)))
            for pk, version, name, kind, org in rows
        ]

    def body(self, value: Value) -> bytes:
        """Return the JSON of the value."""
        return encode(self._snapshot(value))

    def _snapshot(self, value: Value) -> Snapshot | None:
        dishes = [(kind, copy) for org, kind, copy in self._dishes if org == value.org]
        name, rate = self._shops[value.org]
        if value.region is shop:
            return ShopCopy(slug=value.org, name=name)
        if value.region is dish:
            return next((copy for _, copy in dishes if copy.id == value.parts[0]), None)
        if value.region is menu:
            return Listing(count=len(dishes), results=tuple(copy for _, copy in dishes))
        return Tally(dishes=sum(kind == value.parts[0] for kind, _ in dishes), rate=rate)


class _State(NamedTuple):
    number: int
    since: float
    host: str
    body: bytes


class Truth:
    """The committed states of all values, oldest first, each with the host of its writer."""

    def __init__(self) -> None:
        self._states: dict[Value, list[_State]] = {}
        #: How many commits there were. The clock may stand still between them.
        self.commits = 0

    @property
    def known(self) -> bool:
        """Whether anything was committed yet."""
        return bool(self._states)

    def note(self, values: tuple[Value, ...], host: str, now: float) -> None:
        """Take down what the database holds after a commit of that host."""
        rows = _Rows()
        self.commits += 1
        for value in values:
            states, body = self._states.setdefault(value, []), rows.body(value)
            if not states or states[-1].body != body:
                states.append(_State(self.commits, now, host, body))

    def allowed(self, value: Value, host: str, *, commits: int, since: float) -> list[bytes]:
        """Return what a read on `host` may return that began after so many `commits`.

        It sees those of its own host, and those of other hosts that were done at the time `since`.
        """
        states = self._states[value]
        due = [
            index
            for index, state in enumerate(states)
            if state.number <= commits and (state.since <= since or state.host == host)
        ]
        return [state.body for state in states[max(due, default=0) :]]

    @staticmethod
    def stored(value: Value) -> bytes:
        """Return what the database holds, uncommitted rows of this thread's transaction included."""
        return _Rows().body(value)
