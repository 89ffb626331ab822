"""The caches page in a real browser: its figures are true and stay so, and its buttons do what they say."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

import pytest
from django.test import Client
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from caching import admin
from caching.models import CacheEvent, CacheUsage
from caching.registry import registry
from caching.runtime import runtime
from restaurant import csp
from restaurant.profiles.models import User
from tests.browser.chromium import HOW_TO_GET_IT, Browser, programs
from tests.caching.hearing import listen
from tests.caching.operators import CLEAR, VIEW, WARM, operator, rename_unnoticed, shop_of
from tests.shop import cached
from tests.shop.models import Shop

PAGE = "/admin/caching/cacheregion/"

SignIn = Callable[[User], Client]


@pytest.fixture
def _tea(monkeypatch: pytest.MonkeyPatch, browser: Browser) -> None:
    """A shop that has been read four times, and that is found by its name."""

    def find(text: str, limit: int) -> list[tuple[str, str]]:
        return list(Shop.objects.filter(name__icontains=text).values_list("pk", "name")[:limit])

    monkeypatch.setattr(registry, "find_organisations", find)
    monkeypatch.setattr(
        registry, "organisations", lambda orgs: Shop.objects.filter(pk__in=orgs).values_list("pk", flat=True)
    )
    shop_of("tea", "The old Tea Room")
    for _ in range(4):
        cached.shop.get("tea")


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_a_run_without_chromium_fails_and_says_in_one_line_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(pytest.fail.Exception, match=HOW_TO_GET_IT):
        programs()


@pytest.mark.usefixtures("tiers", "_tea")
def test_the_figures_on_the_page_equal_the_statistics_api(browser: Browser, sign_in: SignIn) -> None:
    for _ in range(3):
        cached.menu.get("tea")
    client = sign_in(operator(VIEW))

    browser.open(PAGE)

    fields = browser.fields()
    report = client.get("/api/v1/caches/?scope=fleet").json()
    assert len(report["regions"]) == len(browser.all("[data-region]"))
    for region in report["regions"]:
        figures = region["statistics"]
        for name in ("requests", "local_hits", "redis_hits", "misses", "entries"):
            assert number(fields[f"regions/{region['name']}/{name}"]) == figures[name]
        assert fields[f"regions/{region['name']}/hit_rate"] == (
            f"{figures['hit_rate'] * 100:.2f}%" if figures["requests"] else "\N{EN DASH}"
        )
    assert number(fields["total/requests"]) == sum(each["statistics"]["requests"] for each in report["regions"])
    assert number(fields["total/requests"]) >= 7


@pytest.mark.usefixtures("redis", "_tea")
def test_the_page_says_since_when_it_counts_and_what_is_true_of_this_server_alone(
    browser: Browser, sign_in: SignIn
) -> None:
    listen()
    sign_in(operator(VIEW))
    browser.open(PAGE)

    own = f"{socket.gethostname()} · {runtime.statistics.host_id[:6]}"
    assert browser.field("server") == own
    assert re.fullmatch(r"since \d{4}-\d\d-\d\d \d\d:\d\d", browser.field("since"))
    for part in ('[aria-labelledby="caches-now"]', "#caches-detail", '[aria-labelledby="caches-regions"]'):
        assert f"ounted {browser.field('since')}" in browser.text(part)
    assert [each.text for each in browser.all(".caches-health dt")] == [
        "Redis · this server",
        "Breaker · this server",
        "Listener · this server",
        "Outbox · all servers",
    ]


@pytest.mark.usefixtures("_tea")
def test_figures_follow_without_the_page_being_loaded_again(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW))
    browser.open(PAGE)
    browser.run("window.loadedOnce = true")
    assert browser.field("regions/shop/requests") == "4"

    cached.shop.get("tea")

    browser.until(lambda: browser.field("regions/shop/requests") == "5")
    CacheEvent.objects.create(action="clear", region="shop", user=operator(username="maria"))
    browser.until(lambda: "maria" in browser.text('[data-list="events"]'))
    assert browser.run("return window.loadedOnce")
    assert browser.text("#caches-state") == "Live"


@pytest.mark.usefixtures("_tea")
def test_a_site_that_fails_is_said_to_be_out_of_reach_until_it_answers(
    browser: Browser, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(operator(VIEW))
    browser.open(PAGE)

    with monkeypatch.context() as broken:
        broken.setattr(admin, "live", lambda _: 1 / 0)
        browser.until(lambda: browser.text("#caches-state") == "Not reachable, trying again")
    cached.shop.get("tea")

    browser.until(lambda: browser.text("#caches-state") == "Live")
    assert browser.field("regions/shop/requests") == "5"


@pytest.mark.usefixtures("_tea")
def test_a_pause_ends_when_the_button_is_pressed_again(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW))
    browser.open(PAGE)
    pause = browser.one("#caches-pause")

    pause.click()
    assert browser.text("#caches-state") == "Paused"
    assert pause.get_attribute("aria-pressed") == "true"
    cached.shop.get("tea")
    pause.click()

    browser.until(lambda: browser.field("regions/shop/requests") == "5")
    assert pause.get_attribute("aria-pressed") == "false"


@pytest.mark.usefixtures("tiers", "_tea")
def test_a_clear_really_clears_and_the_page_tells_who_did_it(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW, CLEAR, username="maria"))
    rename_unnoticed(name="The new Tea Room")
    browser.open(PAGE)
    copy = cached.shop.get("tea")
    assert copy is not None
    assert copy.name == "The old Tea Room"

    browser.one('[aria-label="Clear Shop"]').click()

    browser.until(lambda: "Cleared “Shop”." in browser.text(".messagelist"))
    copy = cached.shop.get("tea")
    assert copy is not None
    assert copy.name == "The new Tea Room"
    browser.until(lambda: browser.text('[data-list="events"] tbody tr').endswith("maria cleared Shop"))


@pytest.mark.usefixtures("_tea")
def test_a_shop_is_found_by_its_name_and_cleared_with_the_keyboard_alone(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW, CLEAR, WARM))
    browser.open(PAGE)

    def press(*keys: str) -> None:
        browser.driver.switch_to.active_element.send_keys(*keys)

    def focus() -> str | None:
        return browser.driver.switch_to.active_element.get_attribute("id")

    # From the top of the page, as whoever has no mouse does.
    for _ in range(200):
        press(Keys.TAB)
        if focus() == "id_org":
            break
    press("tea r")
    browser.until(lambda: browser.all("[role=option]"))
    assert browser.one("#id_org").get_attribute("aria-expanded") == "true"
    press(Keys.ARROW_DOWN)
    active = browser.one("#id_org").get_attribute("aria-activedescendant")
    assert browser.text(f"#{active}") == "The old Tea Room\ntea"
    press(Keys.ENTER)
    assert browser.one("#id_org").get_attribute("value") == "tea"
    assert not browser.one("[role=listbox]").is_displayed()
    press(Keys.TAB)
    assert focus() == "id_key"
    press(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "Clear"
    press(Keys.ENTER)

    assert "Cleared all regions of tea." in browser.until(lambda: browser.text(".messagelist"))
    assert list(CacheEvent.objects.values_list("action", "region", "org_id")) == [("clear", "", "tea")]


@pytest.mark.usefixtures("_tea")
def test_one_key_is_warmed_from_the_form(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW, WARM))
    browser.open(PAGE)

    Select(browser.one("#id_region")).select_by_value("tally")
    browser.one("#id_org").send_keys("tea", Keys.ESCAPE)
    browser.one("#id_key").send_keys("soup")
    browser.one(".caches-target .button").click()

    browser.until(lambda: "Warmed one key of “Tally” of tea: 1 value loaded." in browser.text(".messagelist"))
    cached.tally.get("tea", "soup")
    assert runtime.statistics.host()["tally"]["local_hits"] == 1


def test_without_the_permission_there_is_neither_page_nor_link(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(CLEAR, WARM))

    browser.open("/admin/")
    assert not browser.all(f'a[href="{PAGE}"]')
    browser.open(PAGE)
    assert "403" in browser.text("body") or "Forbidden" in browser.text("body")
    assert not browser.all("#caches-start")


def test_who_may_only_look_finds_the_page_and_no_button_that_does_anything(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW))

    browser.open("/admin/")
    browser.one(f'a[href="{PAGE}"]').click()

    assert browser.one("#caches-start")
    assert not browser.all("#content-main form")
    assert not [each.text for each in browser.all("#content-main button") if each.text in {"Clear", "Warm"}]


@pytest.mark.usefixtures("_tea")
def test_charts_show_the_past_and_the_chosen_region_with_its_targets(
    browser: Browser, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached.shop, "target", 0.95)
    monkeypatch.setattr(cached.shop, "target_ms", 10.0)
    hour = int(runtime.clock.wall() // 3600) * 60
    for ago, hits in ((6, 50), (5, 75), (4, 90)):
        CacheUsage.objects.create(
            step="hour", host="h", start=hour - 60 * ago, region="shop", local_hits=hits, misses=100 - hits, bytes=2048
        )
    sign_in(operator(VIEW))
    browser.open(PAGE)

    browser.one('[data-region="shop"] .caches-choose').click()
    browser.one('#caches-range input[value="hour"]').send_keys(Keys.SPACE)

    assert browser.text("#caches-target-rate") == "target 95% of all reads"
    assert browser.text("#caches-target-time") == "target 10 ms for a hit"
    assert browser.text("#caches-target-memory") == "target 100 MB for all regions"
    assert browser.text('[data-of-region="label"]') == "Shop"
    # Off the charts, whose legends tell of the moment that the pointer is at.
    ActionChains(browser.driver).move_to_element(browser.one("#caches-pause")).perform()
    browser.until(lambda: "90%" in browser.text("#caches-chart-rate .u-legend"))
    browser.until(lambda: "2.0 KB" in browser.text("#caches-chart-memory .u-legend"))
    assert browser.has_drawn()


@pytest.mark.usefixtures("_tea")
def test_the_page_works_under_a_policy_that_allows_no_inline_style(
    browser: Browser, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csp, "POLICY", "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'")
    sign_in(operator(VIEW, CLEAR, WARM))
    browser.open(PAGE)

    cached.shop.get("tea")

    browser.until(lambda: browser.field("regions/shop/requests") == "5")
    assert browser.has_drawn()
    assert browser.problems() == []
