"""A real Chromium without a window, the machine's own, and what tests ask of it."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

__all__ = ["HOW_TO_GET_IT", "Browser", "programs"]

HOW_TO_GET_IT: Final = "The browser tests need Chromium and its driver: apt-get install chromium chromium-driver"

_PATIENCE_SECONDS: Final = 30
_AXE: Final = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"

T = TypeVar("T")


def programs() -> tuple[str, str]:
    """Return the paths of the browser and of its driver; a run on a machine without them fails, and says what to do."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.fail(HOW_TO_GET_IT, pytrace=False)
    return browser, driver


class Browser:
    """One window, of a size and with a preference for light or dark."""

    def __init__(self) -> None:
        binary, driver = programs()
        options = ChromeOptions()
        options.binary_location = binary
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for argument in ("--headless=new", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            # Chromium has no sandbox for root, as whom containers run.
            options.add_argument("--no-sandbox")
        self.driver = Chrome(options=options, service=Service(driver))
        self.site = ""

    def quit(self) -> None:
        self.driver.quit()

    # --- going somewhere ----------------------------------------------------------------------------------------------

    def open(self, path: str) -> None:
        self.driver.get(self.site + path)

    def leave(self) -> None:
        """Forget the site: its page, its cookies, what it logged and how the window was."""
        self.driver.delete_all_cookies()
        self.driver.get("about:blank")
        self.problems()
        self.show(1440, "light")

    def sign_in(self, session: str) -> None:
        """Have the session of a test client."""
        self.open("/static/caching/icon.svg")
        self.driver.add_cookie({"name": "sessionid", "value": session, "path": "/"})

    def show(self, width: int, scheme: str, height: int = 900) -> None:
        """Have a window that wide, and somebody before it who likes "light" or "dark"."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    # --- looking ------------------------------------------------------------------------------------------------------

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.one(selector).text

    def field(self, path: str) -> str:
        """Return the figure that stands at this path of the live figures."""
        return self.text(f'[data-field="{path}"]')

    def fields(self) -> dict[str, str]:
        """Return all figures of the page, by their paths."""
        script = (
            "return [...document.querySelectorAll('[data-field]')].map((each) => [each.dataset.field, each.innerText])"
        )
        return dict(self.run(script))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def until(self, condition: Callable[[], T]) -> T:
        """Wait until it is true, and return it; fails after half a minute.

        What is not there yet, or was just replaced, is looked for again.
        """
        passing = [NoSuchElementException, StaleElementReferenceException]
        wait = WebDriverWait(self.driver, _PATIENCE_SECONDS, poll_frequency=0.05, ignored_exceptions=passing)
        return wait.until(lambda _: condition())

    def has_drawn(self) -> bool:
        """Whether all charts are there, and have something in them."""
        return bool(
            self.run(
                """
                const charts = [...document.querySelectorAll(".caches-chart canvas")];
                return charts.length === 3 && charts.every((canvas) => canvas.getContext("2d")
                    .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0));
                """
            )
        )

    def has_fetched(self, part: str) -> bool:
        """Whether an address with this in it has been fetched by the page."""
        entries = "performance.getEntriesByType('resource')"
        return bool(
            self.run(f"return {entries}.some((each) => each.name.includes(arguments[0]) && each.responseEnd)", part)
        )

    # --- judging ------------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """Return what the console has said since it was asked last: errors, warnings, and what the policy forbade."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def barriers(self) -> list[str]:
        """Return what axe-core finds serious or critical for people who see, hear or move differently."""
        self.run(_AXE.read_text())
        violations = self.driver.execute_async_script("axe.run().then((found) => arguments[0](found.violations))")
        return [
            f"{each['id']}: {each['help']} ({'; '.join(node['html'] for node in each['nodes'][:3])})"
            for each in violations
            if each["impact"] in {"serious", "critical"}
        ]

    def width(self) -> int:
        return int(self.run("return document.documentElement.scrollWidth"))

    def photograph(self, path: Path, height: int) -> None:
        """Write the upper part of the page as a picture."""
        picture = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"format": "png", "clip": {"x": 0, "y": 0, "width": self.width(), "height": height, "scale": 1}},
        )
        path.write_bytes(base64.b64decode(picture["data"]))
