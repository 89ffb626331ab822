"""Another host, as this process sees it: scripts that arrive at the server; and a listener to hear of them."""

from __future__ import annotations

from typing import Any

from pytest_django.fixtures import Settings

from caching.epochs import clear_name, fresh_token, guard_names, wide_names
from caching.keys import Key, Scope
from caching.listener import Listener
from caching.runtime import runtime
from caching.scripts import MARK, UNMARK, WIDE_MARK, WIDE_UNMARK, Command
from tests.caching.stepping import KEY
from tests.faults.waiting import eventually
from tests.shop.cached import labels, shop
from tests.shop.models import Shop

__all__ = [
    "LABELS",
    "RIVAL",
    "clear_elsewhere",
    "create_shops",
    "held",
    "is_trusted",
    "lead_to",
    "listen",
    "mark_elsewhere",
    "read_all",
    "unmark_elsewhere",
    "write_elsewhere",
]

RIVAL = shop.key("rival")
LABELS = labels.key("corner")


def lead_to(settings: Settings, port: int, *, user: str = "") -> None:
    """Make the server at a port the Redis tier; `user` is its name and password as in an address."""
    location = f"redis://{user}127.0.0.1:{port}/0"
    settings.CACHES = {**settings.CACHES, "redis": {**settings.CACHES["redis"], "LOCATION": location}}


def create_shops() -> None:
    Shop.objects.create(slug="corner", name="old")
    Shop.objects.create(slug="rival", name="rival")


def read_all() -> None:
    """Have local copies of two shops and of the labels of one."""

    def read() -> bool:
        shop.get("corner")
        shop.get("rival")
        labels.get("corner")
        return held() == {KEY, RIVAL, LABELS}

    # Whoever reads first makes the epochs, and hears of that: what it read is not kept.
    eventually(read)


def held() -> set[Key]:
    """What a request would be served from local memory."""
    regions = {KEY: shop, RIVAL: shop, LABELS: labels}
    return {key for key, region in regions.items() if region.hit(key.local) is not None}


def listen() -> Listener:
    """Start the process's listener, without the other threads, and wait until it is trusted."""
    runtime.listener = Listener()
    runtime.listener.start()
    eventually(is_trusted)
    return runtime.listener


def is_trusted() -> bool:
    listener = runtime.listener
    assert listener is not None
    return listener.tracking and listener.heard_until > runtime.clock.now()


def mark_elsewhere(client: Any, item: Key | Scope) -> None:
    if isinstance(item, Key):
        _run(client, MARK(list(guard_names(item)), "elsewhere", 5000))
    else:
        _run(client, WIDE_MARK(list(wide_names(item)), "elsewhere", 5000, fresh_token()))


def unmark_elsewhere(client: Any, item: Key | Scope) -> None:
    if isinstance(item, Key):
        _run(client, UNMARK(list(guard_names(item)), "elsewhere"))
    else:
        _run(client, WIDE_UNMARK(list(wide_names(item)), "elsewhere", fresh_token()))


def write_elsewhere(client: Any, item: Key | Scope) -> None:
    mark_elsewhere(client, item)
    unmark_elsewhere(client, item)


def clear_elsewhere(client: Any, region: str | None = None, org: str | None = None) -> None:
    client.set(clear_name(region, org), fresh_token())


def _run(client: Any, script: Command) -> None:
    client.execute_command(*script.wire(by_text=True))
