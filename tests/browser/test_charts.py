"""What the charts of the caches page draw is made of enough reads, and says of how many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from selenium.webdriver import ActionChains

from caching.dashboard.live import LEAST_READS
from caching.models import CacheUsage
from caching.runtime import runtime
from restaurant.profiles.models import User
from tests.browser.chromium import Browser
from tests.caching.operators import VIEW, operator

PAGE = "/admin/caching/cacheregion/"

SignIn = Callable[[User], Client]


def minute(ago: int, *, hits: int, misses: int) -> int:
    """Write down what was read in a minute; returns when it was, in seconds since 1970."""
    start = int(runtime.clock.wall() // 60) - ago
    CacheUsage.objects.create(step="minute", host="h", start=start, region="shop", local_hits=hits, misses=misses)
    return start * 60


def legend(browser: Browser, chart: str = "rate") -> dict[str, str]:
    script = """return [...document.querySelectorAll(arguments[0])].map((each) => [
        each.querySelector(".u-label").textContent, each.querySelector(".u-value").textContent])"""
    return dict(browser.run(script, f"#caches-chart-{chart} .u-series"))


def point_at(browser: Browser, at: float) -> None:
    """Have the pointer at a moment of the chart of hit rates."""
    over = browser.one("#caches-chart-rate .u-over")
    until = browser.run("return JSON.parse(document.getElementById('caches-start').textContent).figures.at")
    share = 1 - (until - at) / (15 * 60)
    ActionChains(browser.driver).move_to_element_with_offset(
        over, round((share - 0.5) * over.size["width"]), 0
    ).perform()


def points(browser: Browser, script: str, *arguments: Any) -> Any:
    """Return what the module that makes points says."""
    load = "import('/static/caching/dashboard/series.js').then((series) => {"
    done = "arguments[arguments.length - 1]"
    return browser.driver.execute_async_script(
        f"const [done, given] = [{done}, [...arguments]]; {load} {script} }})", *arguments
    )


def test_a_minute_with_a_single_read_is_no_rate_and_each_point_says_of_how_many_reads(
    browser: Browser, sign_in: SignIn
) -> None:
    many = minute(8, hits=15, misses=5)
    few = minute(5, hits=0, misses=1)
    sign_in(operator(VIEW))
    browser.open(PAGE)
    browser.until(lambda: browser.has_fetched("/history/") and browser.has_drawn())
    browser.one("#caches-pause").click()

    assert f"fewer than {LEAST_READS} reads" in browser.text("#caches-detail")
    # The pointer is elsewhere: the latest minute of which there is a rate.
    browser.until(lambda: legend(browser).get("Hit rate") == "75%")
    assert legend(browser)["Reads"] == "20"
    point_at(browser, few)
    browser.until(lambda: legend(browser).get("Reads") == "1")
    assert legend(browser)["Hit rate"] == "\N{EN DASH}"
    assert legend(browser, "time")["Reads"] == "1"
    point_at(browser, many)
    browser.until(lambda: legend(browser).get("Reads") == "20")
    assert legend(browser)["Hit rate"] == "75%"


def test_no_line_leads_across_a_time_without_reads(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW))
    browser.open(PAGE)
    reads = {"requests": 20, "hits": 15, "local_hits": 15, "redis_hits": 0, "misses": 5, "bytes": 7}
    times = dict.fromkeys(("avg_local_ms", "avg_redis_ms", "avg_miss_ms"), 0)
    past = [{"at": f"2026-11-23T18:{each:02}:00Z", **reads, **times} for each in (0, 1, 5)]

    made = points(
        browser,
        "done(series.kept(given[0], 'shop', {least: 10, every: 60}))",
        [{"region": "shop", "org": "", "points": past}],
    )

    first = made[0]["at"]
    assert [((each["at"] - first) / 60, each["rate"], each["reads"]) for each in made] == [
        (0, 0.75, 20),
        (1, 0.75, 20),
        (2, None, 0),
        (5, 0.75, 20),
    ]
    assert {each["bytes"] for each in made} == {7}


def test_few_reads_are_looked_at_together_but_of_one_minute_at_the_most(browser: Browser, sign_in: SignIn) -> None:
    sign_in(operator(VIEW))
    browser.open(PAGE)
    # Seconds, and hits and misses counted by then: 3 reads in ten seconds, then a restart, then 20, then a quiet time.
    looks = [(0, 0, 0), (10, 2, 1), (20, 4, 2), (30, 6, 3), (40, 8, 4), (50, 0, 0), (60, 10, 10), (200, 10, 11)]
    made = points(
        browser,
        """
        const seen = new series.Seen(10);
        const rest = {local_ns: 0, local_samples: 0, redis_ns: 0, redis_samples: 0, miss_ns: 0, miss_samples: 0};
        for (const [at, hits, misses] of given[0]) {
            seen.add({at, numbers: {shop: {local_hits: hits, redis_hits: 0, misses, bytes: 5, ...rest}}});
        }
        done(seen.points("shop"));
        """,
        looks,
    )

    assert [(each["at"], each["rate"], each["reads"]) for each in made] == [
        (10, None, 3),
        (20, None, 6),
        (30, None, 9),
        (40, 8 / 12, 12),
        (50, None, 0),
        (60, 0.5, 20),
        (200, None, 1),
    ]
