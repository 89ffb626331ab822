"""What goes wrong in one declaration spoils no other prediction."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from caching.following import Follows
from caching.prefetch import Prefetcher
from caching.runtime import runtime
from tests.caching.operators import shop_of
from tests.conftest import MovableClock
from tests.shop import cached
from tests.shop.cached import shop
from tests.shop.models import Shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def prediction(settings: Settings, clock: MovableClock) -> None:
    settings.CACHING = {**settings.CACHING, "PREFETCH": True, "HISTORY": None}
    runtime.observer.consumers = [runtime.observer.consumer(Prefetcher)]


@pytest.mark.parametrize("parts", [lambda found: found.no_such_field, lambda found: ([],), lambda found: (1.5,)])
def test_a_declaration_that_fails_is_said_once_and_keeps_no_other_region_from_being_loaded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, parts: Any
) -> None:
    monkeypatch.setattr(cached.tally, "follows", (Follows("shop", parts=parts),))
    for slug in ("tea", "cake"):
        shop_of(slug)
        shop.get(slug)
    runtime.observer.tick()
    for name in ("new", "newer"):
        Shop.objects.filter(pk="cake").update(name=name)
        runtime.activity.missed.append(("shop", "default", "tea"))
        runtime.observer.tick()
        shop.get("cake")

    assert shop.counters.prefetched == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
