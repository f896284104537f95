"""A headless Chromium for tests of pages. It is the one that the system brings; nothing is downloaded.

Plain synchronous tests only: Playwright's own loop runs on the main thread while a browser is open, so a fixture that
holds one is closed before anyio's tests begin (module scope, never session).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Root may not use the sandbox, and containers have a small /dev/shm, which crashes a tab in the middle of a test.
_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
# Five seconds unless told otherwise, which a browser, a service and an engine on one busy core may use up.
expect.set_options(timeout=20_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Without one the test is skipped, or failed where CI promises one."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        reason = "no Chromium: none of " + ", ".join(_NAMES) + " is on the PATH (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page and what it did on the side: requests, words on the console, errors that nobody caught."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        # Not the bound method of the list: Playwright notes its wrapper on the function, and builtins take no notes.
        page.on("request", lambda request: self.requests.append(request))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))

    def _heard(self, kind: str, text: str) -> None:
        # The browser itself reports every answer of 400 and above there; those are what some tests are about.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    def strangers(self, origin: str) -> list[str]:
        """Addresses it asked outside `origin`."""
        host = urlsplit(origin).netloc
        return [
            request.url
            for request in self.requests
            if urlsplit(request.url).scheme not in ("data", "blob") and urlsplit(request.url).netloc != host
        ]

    def barriers(self) -> list[str]:
        """What axe finds on the page as it stands: rule and element, nothing when all is well."""
        # A script in the page would be refused by its own policy; evaluated by the driver it is not one.
        self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
        found = self.page.evaluate("() => axe.run({resultTypes: ['violations']})")
        assert len(found["passes"]) > 10  # it looked at something
        return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]
