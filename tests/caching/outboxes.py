"""What tests of the outbox look at: what waits, what a host bypasses, what readers are shown."""

from __future__ import annotations

from typing import Any

from caching.epochs import guard_names
from caching.keys import Key
from caching.models import PendingInvalidation
from caching.relay import Relay
from caching.runtime import runtime
from caching.stamps import region_slot
from tests.caching.conftest import Cable
from tests.conftest import MovableClock
from tests.shop.cached import shop
from tests.shop.models import Shop

KEY = Key("shop", "corner")
VALUE, _, PENDING = guard_names(KEY)
MARK_SECONDS = 5.0


def unnoticed_shop() -> Shop:
    """Return a new shop, of which nobody was told."""
    Shop.objects.bulk_create([Shop(slug="corner", name="old")])
    PendingInvalidation.objects.all().delete()
    return Shop.objects.get()


def relay() -> Relay:
    assert runtime.redis is not None
    assert runtime.relay is not None
    return runtime.relay


def waiting() -> list[tuple[str, str]]:
    return list(PendingInvalidation.objects.values_list("kind", "name"))


def is_bypassed(region: str = "shop") -> bool:
    """Whether this host's processes go around Redis for the whole region."""
    assert runtime.stamps is not None
    return region_slot(region) in runtime.stamps.pending_slots()


def save(name: str) -> None:
    row = Shop.objects.get()
    row.name = name
    row.save()


def shown() -> str:
    copy = shop.get("corner")
    assert copy is not None
    return copy.name


def recover(cable: Cable, clock: MovableClock) -> None:
    """Redis is in reach again, and a probe due."""
    cable.plug()
    clock.advance(10)
    relay().tick()


class Broken:
    """Raises whatever is called."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._error
