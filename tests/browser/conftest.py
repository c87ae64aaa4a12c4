"""A real Chromium on the dashboard of a real manager.

In every test, no page may run a foreign script, violate its content security policy, or log an
error. `Visit` checks this at the end.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    TimeoutError,
    expect,
    sync_playwright,
)

from scripts.browser import find_browser
from tests.commands.shell import Shell
from tests.support.api import Api
from tests.support.manager import RunningManager

LOAD_MS = 60_000
"""The time-out of every wait for a page. No test asserts the speed of a page."""
expect.set_options(timeout=LOAD_MS)


FOREIGN = "foreign.test"
"""A foreign name that resolves to this machine, as hostile DNS could do."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1",
]


# Without this option, axe also describes each element that has no problem.

LIST, TIMELINE = "[role=table][aria-label=Sessions]", "[data-testid=timeline]"


# The first row on the screen and its distance from the upper edge, once both are stable.
# A row that is still loading grows when its content arrives, and moves the rows below it. New rows
# overlap until they are measured.
FIRST_SHOWN = """([what, wanted]) => {
  const scroller = document.querySelector(what);
  if (scroller === null || scroller.querySelector('[aria-busy=true]') !== null) return false;
  const edge = (scroller.querySelector('.session-head') ?? scroller).getBoundingClientRect();
  const top = edge.height < 100 ? edge.bottom : edge.top;
  const rows = [...scroller.querySelectorAll('[data-session-id], [data-seq]')]
    .map(row => [row, row.getBoundingClientRect()])
    .sort((a, b) => a[1].top - b[1].top);
  const overlaps = rows.some(([row, box], n) => n > 0 &&
    row.parentElement === rows[n - 1][0].parentElement && box.top < rows[n - 1][1].bottom - 1);
  if (overlaps) return false;
  const [first] = rows.filter(([, box]) => box.bottom > top + 1);
  if (first === undefined) return false;
  const { sessionId, seq } = first[0].dataset;
  const now = JSON.stringify([sessionId ?? seq, Math.round(first[1].top - top)]);
  const isSteady = now === window.lastShown;
  window.lastShown = now;
  return isSteady && (wanted === null || JSON.stringify(wanted) === now);
}"""


@pytest.hookimpl(tryfirst=True)  # the whole run is ordered by groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run this suite in one process, for its browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Yield one browser for the suite.

    It ends with the suite: until then, the driver has an event loop in the thread of the tests.
    """
    path = find_browser()
    assert path is not None, "Chromium is not installed: run make browser"
    with warnings.catch_warnings(), sync_playwright() as playwright:
        warnings.simplefilter("ignore")  # warnings of the driver at its start
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A separate browser context at a manager's page, with a record of all its problems."""

    def __init__(self, context: BrowserContext, manager: RunningManager) -> None:
        self.manager = manager
        self.context = context
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        context.set_default_timeout(LOAD_MS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self._dialog(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def enter(self, fragment: str = "") -> Page:
        """Open the page as `ao-dashboard` does, at the view that `fragment` names."""
        with Api(self.manager) as api:
            code = api.post("/dashboard/codes", {}).json["code"]
        if fragment:
            self.page.goto(f"{self.manager.url}/{fragment}")
            self.page.wait_for_function("() => Object.values(localStorage).includes(location.hash)")
            self.go(f"#code={code}")
        else:
            self.page.goto(f"{self.manager.url}/#code={code}")
        self.page.get_by_role("navigation", name="Views").wait_for()
        return self.page

    def go(self, fragment: str) -> None:
        self.page.evaluate("fragment => { location.hash = fragment }", fragment)

    def check(self) -> None:
        """Check that the page had no problem and sent requests only to its manager."""
        assert self.problems == []
        elsewhere = [
            url for url in self.requests if not url.startswith((self.manager.url, "data:", "blob:"))
        ]
        assert elsewhere == []

    def _console(self, message: ConsoleMessage) -> None:
        # The browser logs this for error responses, which the page handles itself.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"console: {message.text}")

    def _dialog(self, message: str) -> None:
        self.problems.append(f"dialog: {message}")


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a manager's page in a new context, without a token.

    The page shows no animation: each of its frames would be drawn by the processor.
    """
    with ExitStack() as stack:
        visits: list[Visit] = []

        def open_one(manager: RunningManager, **options: Any) -> Visit:
            context = chromium.new_context(reduced_motion="reduce", **options)
            stack.callback(context.close)
            visits.append(Visit(context, manager))
            return visits[-1]

        yield open_one
        for each in visits:
            each.check()


@pytest.fixture
def api(own: RunningManager) -> Iterator[Api]:
    with Api(own) as opened:
        yield opened


@pytest.fixture
def shell(own: RunningManager, tmp_path: Path, own_home: Path) -> Iterator[Shell]:
    """Yield a shell in a project directory, with `own` as the configured manager."""
    project = tmp_path / "project"
    project.mkdir()
    environment = {**own.environment(), "HOME": str(own_home)}
    opened = Shell(directory=project, environment=environment)
    yield opened
    opened.close()


def scroll_to(page: Page, what: str, top: int) -> None:
    """Scroll as a reader does, even to rows that are not loaded yet, and wait for the scroll event.

    A real wheel event is not used: a test cannot know when the browser has handled it.
    """
    page.locator(what).hover()
    page.evaluate(
        """async ([what, top]) => {
          const scroller = document.querySelector(what);
          const next = event => new Promise(done =>
            scroller.addEventListener(event, done, { once: true }));
          while (scroller.scrollTop !== top) {
            scroller.dispatchEvent(new WheelEvent('wheel', { bubbles: true }));
            const scrolled = next('scroll');
            scroller.scrollTop = top;
            if (scroller.scrollTop === top) return await scrolled;
            await new Promise(requestAnimationFrame);
          }
        }""",
        [what, top],
    )


def first_shown(page: Page, what: str) -> list[Any]:
    page.wait_for_function(FIRST_SHOWN, arg=[what, None])
    return list(page.evaluate("() => JSON.parse(window.lastShown)"))


def expect_shown_as(page: Page, what: str, before: list[Any], way: str) -> None:
    """Wait until the first row and its position are the same as before."""
    try:
        page.wait_for_function(FIRST_SHOWN, arg=[what, before])
    except TimeoutError:
        now = page.evaluate("() => window.lastShown")
        raise AssertionError(f"after {way}: {now} instead of {before}") from None


def choose(page: Page, menu: str, item: str) -> None:
    """Choose an item of a menu."""
    page.get_by_role("button", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()
