"""How long a person waits for the dashboard: from opening it to the first session, or event.

Two managers, one with little and one with much in it, are looked at in turn by one browser, each
time in a tab that was never there: code, page, data and drawing are all in it. A job comes as JSON
on stdin; for each round a line with both times goes to stdout.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass

import httpx
from playwright.sync_api import Browser, sync_playwright

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
    """What is looked for, as a CSS selector."""


def _seconds(browser: Browser, place: Place) -> float:
    headers = {"Authorization": f"Bearer {place.token}"}
    answer = httpx.post(f"{place.url}/dashboard/codes", json={}, headers=headers, trust_env=False)
    code = answer.raise_for_status().json()["code"]
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{place.url}/#code={code}")
        page.locator("nav").wait_for(timeout=_TIMEOUT_MS)
        # In: from now on the tab has the token, and is opened as from a link.
        page.goto("about:blank")
        started = time.perf_counter()
        page.goto(f"{place.url}/{place.fragment}")
        page.locator(place.wanted).first.wait_for(timeout=_TIMEOUT_MS)
        return time.perf_counter() - started
    finally:
        context.close()


def to_job(much: Place, little: Place, rounds: int) -> str:
    return json.dumps({"much": asdict(much), "little": asdict(little), "rounds": rounds})


def main() -> None:
    job = json.loads(sys.stdin.read())
    much, little = Place(**job["much"]), Place(**job["little"])
    path = find_browser()
    if path is None:
        sys.exit("there is no Chromium: make browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for _ in range(job["rounds"] + 1):
            times = [_seconds(browser, place) for place in (much, little)]
            print(json.dumps(times), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
