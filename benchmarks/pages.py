"""The time from opening the dashboard until the first session, or event, is visible.

One browser opens the pages of two managers alternately, one with little data and one with much.
Each page is opened in a new tab, so the time includes loading code, page and data, and drawing.
The process reads a job as JSON from stdin, and writes a line with both times per round to stdout.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import httpx
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from scripts.browser import find_browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
_TIMEOUT_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Place:
    """A view of one manager's page."""

    url: str
    token: str
    fragment: str
    wanted: str
    """CSS selector of the element to wait for."""


@contextmanager
def browser_of(playwright: Playwright) -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        sys.exit("no Chromium found; install it with: make browser")
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    yield browser
    browser.close()


@contextmanager
def entered(browser: Browser, place: Place) -> Iterator[Page]:
    """Give a new tab that has a token for the manager of a place, and shows nothing yet."""
    headers = {"Authorization": f"Bearer {place.token}"}
    answer = httpx.post(f"{place.url}/dashboard/codes", json={}, headers=headers, trust_env=False)
    code = answer.raise_for_status().json()["code"]
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{place.url}/#code={code}")
        page.locator("nav").wait_for(timeout=_TIMEOUT_MS)
        page.goto("about:blank")
        yield page
    finally:
        context.close()


def open_place(page: Page, place: Place) -> None:
    """Open a place as from a link, and wait for its element."""
    page.goto(f"{place.url}/{place.fragment}")
    page.locator(place.wanted).first.wait_for(timeout=_TIMEOUT_MS)


def _seconds(browser: Browser, place: Place) -> float:
    with entered(browser, place) as page:
        started = time.perf_counter()
        open_place(page, place)
        return time.perf_counter() - started


def to_job(much: Place, little: Place, rounds: int) -> str:
    return json.dumps({"much": asdict(much), "little": asdict(little), "rounds": rounds})


def main() -> None:
    job = json.loads(sys.stdin.read())
    much, little = Place(**job["much"]), Place(**job["little"])
    with sync_playwright() as playwright, browser_of(playwright) as browser:
        for _ in range(job["rounds"] + 1):
            times = [_seconds(browser, place) for place in (much, little)]
            print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
