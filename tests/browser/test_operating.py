"""Who operates the caches page stays where they are, is told what is wrong where it is, and can read all records."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from caching.models import CacheEvent
from restaurant import csp
from restaurant.profiles.models import User
from tests.browser.chromium import Browser
from tests.caching.operators import CLEAR, VIEW, WARM, operator, shop_of

PAGE = "/admin/caching/cacheregion/"
RECORDS = "/admin/caching/cacheevent/"

SignIn = Callable[[User], Client]

STRICT = "default-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'"


def is_in_view(browser: Browser, selector: str) -> bool:
    script = """
        const {top, bottom, left, right} = document.querySelector(arguments[0]).getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight && left >= 0 && right <= innerWidth && bottom > top
    """
    return bool(browser.run(script, selector))


@pytest.mark.parametrize("width", [390, 1440])
def test_after_a_row_s_button_the_page_is_at_that_button_again_with_the_focus(
    width: int, browser: Browser, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csp, "POLICY", STRICT)
    shop_of()
    sign_in(operator(VIEW, CLEAR, WARM))
    browser.show(width, "light")
    browser.open(PAGE)

    button = browser.one('[aria-label="Warm Shop"]')
    button.send_keys(Keys.ENTER)

    browser.until(lambda: browser.all(".messagelist"))
    browser.until(browser.has_drawn)
    focused = browser.driver.switch_to.active_element
    assert focused.get_attribute("aria-label") == "Warm Shop"
    assert browser.text("#caches-said-shop").startswith("Warmed “Shop”: 1 value loaded.")
    assert focused.get_attribute("aria-describedby") == "caches-said-shop"
    browser.until(lambda: is_in_view(browser, "#warm-shop"))
    assert is_in_view(browser, "#caches-said-shop")
    assert is_in_view(browser, '[data-region="shop"] th')
    assert browser.barriers() == []
    assert browser.problems() == []


def test_what_is_wrong_stands_between_its_field_and_the_buttons(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW, CLEAR))
    browser.open(PAGE)
    browser.one("#id_org").send_keys("nobody", Keys.ESCAPE)
    browser.one(".caches-target .button").click()

    browser.until(lambda: browser.all("#id_org_error"))
    field, error = browser.one("#id_org"), browser.one("#id_org_error")
    assert "id_org_error" in (field.get_attribute("aria-describedby") or "").split()
    assert "There is no organisation 'nobody'." in error.text
    assert field.rect["y"] + field.rect["height"] <= error.rect["y"] <= field.rect["y"] + field.rect["height"] + 16
    assert abs(error.rect["x"] - field.rect["x"]) <= 1
    # The buttons, behind the fields, come after it for who listens.
    order = "return arguments[0].compareDocumentPosition(arguments[1]) & Node.DOCUMENT_POSITION_FOLLOWING"
    assert browser.run(order, error, browser.one(".caches-target .button"))
    assert browser.barriers() == []


def test_what_a_key_of_the_chosen_region_is_made_of_stands_at_the_field(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW, CLEAR))
    browser.open(PAGE)
    assert not browser.one('[data-parts="dish"]').is_displayed()

    Select(browser.one("#id_region")).select_by_value("dish")

    assert browser.text("#caches-parts") == "“Dish”: organisation / dish id (UUID)."
    assert browser.one("#id_key").get_attribute("aria-describedby") == "id_key_helptext"
    assert browser.all("#id_key_helptext #caches-parts")
    Select(browser.one("#id_region")).select_by_value("shop")
    assert browser.text("#caches-parts") == "“Shop”: organisation alone: leave the key empty."
    browser.one(".caches-parts summary").send_keys(Keys.ENTER)
    assert browser.text('[data-parts="tally"]') == "organisation / kind (text)"


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_records_are_as_wide_as_the_page(width: int, browser: Browser, sign_in: SignIn) -> None:
    name = "{a-restaurant-with-a-long-name-of-its-own-and-more}:orders_by_status:s" + "0123456789abcdef" * 8
    user = operator(VIEW, "view_cacheevent", username="maria.of.the.evening.shift@restaurant.example")
    whose = "a-restaurant-with-a-long-name-of-its-own-and-more"
    CacheEvent.objects.create(action="clear", region="orders_by_status", org_id=whose, key=name, user=user)
    CacheEvent.objects.create(action="warm", region="dish", org_id=whose, loaded=0, user=user)
    CacheEvent.objects.create(action="evict", region="customer_balance", org_id=whose, key=name)
    sign_in(user)
    browser.show(width, "light")

    for page, table in ((RECORDS, "#result_list"), (PAGE, '[data-list="events"]')):
        browser.open(page)
        room = f"const table = document.querySelector('{table}'), room = table.parentElement; "
        assert browser.run(room + "return table.getBoundingClientRect().width <= room.clientWidth + 1"), page
        assert browser.run(room + "return room.scrollWidth <= room.clientWidth"), page
        assert browser.width() == width
        assert "nothing, none declared as hot" in browser.text(table)
        # Nothing is cut off: every cell is within the table.
        outside = f"""
            const edge = document.querySelector('{table}').getBoundingClientRect().right;
            return [...document.querySelectorAll('{table} tbody tr > *')]
                .filter((cell) => cell.getBoundingClientRect().right > edge + 1 || cell.scrollWidth > cell.clientWidth)
                .map((cell) => cell.textContent)
        """
        assert browser.run(outside) == []
