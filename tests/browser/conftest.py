"""A real Chromium on the dashboard of a real manager.

Whatever a test is about, no page may run a script that is not its own, break its policy, or log an
error: `Visit` looks at that in the end.
"""

from __future__ import annotations

import json
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
from tests.commands.shell import Gate, Shell
from tests.support.api import Api
from tests.support.manager import RunningManager

LOAD_MS = 60_000
"""The watchdog of everything that a page is waited for; nothing is asserted about its speed."""
expect.set_options(timeout=LOAD_MS)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LIST, TIMELINE = "[role=table][aria-label=Sessions]", "[data-testid=timeline]"

# The first row on the screen and how far it is below the upper edge, once both stay as they are:
# a row that is still to be read grows when it comes, and moves those below it.
FIRST_SHOWN = """([what, wanted]) => {
  const scroller = document.querySelector(what);
  if (scroller === null || scroller.querySelector('[aria-busy=true]') !== null) return false;
  const edge = (scroller.querySelector('.session-head') ?? scroller).getBoundingClientRect();
  const top = edge.height < 100 ? edge.bottom : edge.top;
  const [first] = [...scroller.querySelectorAll('[data-session-id], [data-seq]')]
    .map(row => [row, row.getBoundingClientRect()])
    .filter(([, box]) => box.bottom > top + 1)
    .sort((a, b) => a[1].top - b[1].top);
  if (first === undefined) return false;
  const { sessionId, seq } = first[0].dataset;
  const now = JSON.stringify([sessionId ?? seq, Math.round(first[1].top - top)]);
  const isSteady = now === window.lastShown;
  window.lastShown = now;
  return isSteady && (wanted === null || JSON.stringify(wanted) === now);
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = find_browser()
    assert path is not None, "there is no Chromium here: make browser"
    with warnings.catch_warnings(), sync_playwright() as playwright:
        warnings.simplefilter("ignore")  # of the driver's own start
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """One browser of its own at a manager's page; what went wrong in it is kept."""

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
        """Open the page as `ao-dashboard` does, at the view that was asked for before."""
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
        """Nothing ran, broke or went elsewhere."""
        assert self.problems == []
        elsewhere = [
            url for url in self.requests if not url.startswith((self.manager.url, "data:", "blob:"))
        ]
        assert elsewhere == []

    def _console(self, message: ConsoleMessage) -> None:
        # The network's own words about an answer that the page has asked for and deals with.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"console: {message.text}")

    def _dialog(self, message: str) -> None:
        self.problems.append(f"dialog: {message}")


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a browser at a manager's page: with a context of its own, so with no token yet."""
    with ExitStack() as stack:
        visits: list[Visit] = []

        def open_one(manager: RunningManager, **options: Any) -> Visit:
            context = chromium.new_context(**options)
            stack.callback(context.close)
            visits.append(Visit(context, manager))
            return visits[-1]

        yield open_one
        for each in visits:
            each.check()


@pytest.fixture
def own(start_manager: Callable[..., RunningManager]) -> RunningManager:
    """A manager that holds nothing yet."""
    return start_manager()


@pytest.fixture
def api(own: RunningManager) -> Iterator[Api]:
    with Api(own) as opened:
        yield opened


@pytest.fixture
def shell(own: RunningManager, tmp_path: Path, own_home: Path) -> Iterator[Shell]:
    """A shell in a project, where that manager is the configured one."""
    project = tmp_path / "project"
    project.mkdir()
    environment = {**own.environment(), "HOME": str(own_home)}
    opened = Shell(directory=project, environment=environment)
    yield opened
    opened.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path / "gate")
    yield made
    made.close()


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """Where programs write their pids."""
    return tmp_path / "started"


def create(api: Api, session_id: str, **fields: Any) -> None:
    new = {"session_id": session_id, "session_name": session_id, **fields}
    answer = api.post("/sessions", new)
    assert answer.status == 201, answer.body


def append(api: Api, session_id: str, *events: dict[str, Any]) -> None:
    for start in range(0, len(events), 500):
        answer = api.call(
            "POST",
            f"/sessions/{session_id}/events",
            json.dumps(events[start : start + 500]).encode(),
        )
        assert answer.status == 201, answer.body


def says(text: str, role: str = "assistant") -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": role, "content": content}


def scroll_to(page: Page, what: str, top: int) -> None:
    """Scroll as a reader does, also to rows whose page is still to be read.

    A turn of the real wheel ends when the browser has time for it, and nothing tells when.
    """
    page.locator(what).hover()
    page.wait_for_function(
        "([what, top]) => { const scroller = document.querySelector(what);"
        " scroller.dispatchEvent(new WheelEvent('wheel', { bubbles: true }));"
        " scroller.scrollTop = top; return scroller.scrollTop === top }",
        arg=[what, top],
    )


def first_shown(page: Page, what: str) -> list[Any]:
    page.wait_for_function(FIRST_SHOWN, arg=[what, None])
    return list(page.evaluate("() => JSON.parse(window.lastShown)"))


def expect_shown_as(page: Page, what: str, before: list[Any], way: str) -> None:
    """Wait until the first row is the same as before, and at the same place."""
    try:
        page.wait_for_function(FIRST_SHOWN, arg=[what, before])
    except TimeoutError:
        now = page.evaluate("() => window.lastShown")
        raise AssertionError(f"after {way}: {now}, and not {before}") from None
