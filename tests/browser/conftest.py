"""A browser per test process, and a site for it that has answered everything before its database is emptied."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.test import Client

from restaurant.profiles.models import User
from tests.browser.chromium import Browser

_PATIENCE_SECONDS = 30


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this run; a run in which it cannot start fails."""
    browser = Browser()
    yield browser
    browser.quit()


@pytest.fixture
def answered(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Wait until no request is under way: a page that is left may still have asked for something."""
    changed = threading.Condition()
    under_way = 0

    def count(by: int) -> Callable[..., None]:
        def receive(**_: Any) -> None:
            nonlocal under_way
            with changed:
                under_way += by
                changed.notify_all()

        return receive

    def wait() -> None:
        with changed:
            assert changed.wait_for(lambda: under_way <= 0, _PATIENCE_SECONDS), "a request has no end"

    started, finished = count(1), count(-1)
    request_started.connect(started)
    request_finished.connect(finished)
    yield wait
    request_started.disconnect(started)
    request_finished.disconnect(finished)


@pytest.fixture
def browser(chromium: Browser, live_server: Any, answered: Callable[[], None]) -> Iterator[Browser]:
    """The browser, before the site."""
    chromium.site = live_server.url
    chromium.show(1440, "light")
    yield chromium
    chromium.leave()
    answered()


@pytest.fixture
def sign_in(browser: Browser) -> Callable[[User], Client]:
    """Sign a user in; returns a client that is signed in, too."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        browser.sign_in(client.cookies["sessionid"].value)
        return client

    return sign_in
