"""The caches page is usable on a phone and on a desk, in the light and in the dark; the pictures of the documents."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from caching.regions import Region
from caching.registry import registry
from caching.runtime import runtime
from restaurant.profiles.models import User
from tests.browser.chromium import Browser
from tests.browser.scenery import busy_evening
from tests.caching.hearing import listen
from tests.caching.operators import CLEAR, VIEW, WARM, operator
from tests.shop import cached

PAGE = "/admin/caching/cacheregion/"

#: `make screenshots` asks for them to be written anew.
PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"


@pytest.fixture
def restaurants(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the site's own regions, with Redis."""
    tests = {each.name for each in vars(cached).values() if isinstance(each, Region)}
    own = {name: region for name, region in registry.regions.items() if name not in tests}
    monkeypatch.setattr(registry, "regions", own)
    runtime.reset()


@pytest.mark.usefixtures("restaurants")
@pytest.mark.parametrize(("width", "height"), [(390, 2600), (1440, 1880)])
def test_nobody_is_kept_out_on_any_screen(
    width: int, height: int, browser: Browser, sign_in: Callable[[User], Client]
) -> None:
    maria = operator(VIEW, CLEAR, WARM, "view_cacheevent", username="maria", first_name="Maria")
    listen()
    busy_evening(maria)
    sign_in(maria)

    for scheme in ("light", "dark"):
        browser.show(width, scheme)
        browser.open(PAGE)
        browser.until(lambda: browser.has_fetched("/history/") and browser.has_drawn())

        assert browser.width() == width
        assert browser.barriers() == []
        assert browser.problems() == []
        if "WRITE_SCREENSHOTS" in os.environ:
            browser.show(width, scheme, height)
            browser.photograph(PICTURES / f"caches-{width}-{scheme}.png", height)
