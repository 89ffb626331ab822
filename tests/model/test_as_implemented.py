"""A write and a read take their steps in the order in which the models take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from caching.runtime import runtime
from caching.scripts import EPOCH, FILL, LEASE, MARK, UNMARK, Command
from caching.stamps import Stamps
from caching.tiers.local import LocalTier
from caching.tiers.redis import RedisTier
from tests.caching.stepping import forget_here
from tests.model.host_memory import WITH_REDIS, WITHOUT_REDIS
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)

_NAMES = {LEASE: "lease", FILL: "fill", MARK: "mark", UNMARK: "unmark", EPOCH: "make epochs"}


@pytest.fixture
def taken(tiers: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every step that is taken from now on."""
    Shop.objects.create(slug="corner", name="old")
    assert runtime.local is not None
    steps: list[str] = []

    def watch(owner: Any, method: str, name: Callable[..., str]) -> None:
        original = getattr(owner, method)

        def watched(*arguments: Any, **options: Any) -> Any:
            steps.append(name(*arguments))
            return original(*arguments, **options)

        monkeypatch.setattr(owner, method, watched)

    def told(_: RedisTier, commands: list[Command]) -> str:
        script = commands[0].script
        return "look" if script is None else _NAMES[script]

    for owner, method, name in (
        (Stamps, "pend", "pend"),
        (Stamps, "bump", "bump"),
        (Stamps, "unpend", "unpend"),
        (Stamps, "note", "note"),
        (Stamps, "pending_slots", "ask"),
        (LocalTier, "put", "keep"),
    ):
        watch(owner, method, lambda *_, name=name: name)
    if runtime.redis is not None:
        watch(type(runtime.redis), "execute", told)
    watch(shop, "load_rows", lambda *_: "load")
    # What Django's wrapper calls, and ours around it.
    watch(connection, "_commit", lambda: "commit")
    return steps


def test_a_writer_takes_its_steps_in_the_order_of_the_models(taken: list[str], tiers: str) -> None:
    row = Shop.objects.get(pk="corner")
    row.name = "new"
    with transaction.atomic():
        row.save()
        taken.clear()
    assert tuple(taken) == (WITH_REDIS if tiers == "with Redis" else WITHOUT_REDIS)


def test_a_reader_takes_its_steps_in_the_order_of_the_models(taken: list[str], tiers: str) -> None:
    forget_here()
    if tiers == "with Redis":
        # So that the epochs are made, and the value is missing.
        shop.get("corner")
        Shop.objects.get(pk="corner").save()
        forget_here()
    taken.clear()
    shop.get("corner")
    between = ["look", "lease", "load", "fill"] if tiers == "with Redis" else ["load"]
    assert taken[: taken.index("keep") + 1] == ["note", "ask", *between, "keep"]
