"""Hostile content of sessions runs no script, loads nothing and breaks no layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.filled_sessions import append, create, says
from tests.support.api import Api
from tests.support.earlier_names import give_names
from tests.support.manager import RunningManager

Open = Callable[..., Visit]

MARK = "window.hacked=1"
SHORT = [
    f"<script>{MARK}</script>",
    f'<img src=x onerror="{MARK}">',
    f'<svg onload="{MARK}"><animate onbegin={MARK} attributeName=x></svg>',
    f'<iframe srcdoc="<script>parent.{MARK}</script>"></iframe>',
    f'<a href="javascript:{MARK}" id=bad>click</a>',
    f"[click](javascript:{MARK})",
    f"[click](JaVaScRiPt:{MARK})",
    f"[click](data:text/html,<script>{MARK}</script>)",
    f"[click](vbscript:{MARK})",
    f"![img](http://evil.test/x.png) ![img](javascript:{MARK})",
    f"<math><mtext><table><mglyph><style><img src=x onerror={MARK}></style></mglyph></table>",
    f"<details open ontoggle={MARK}><summary>x</summary></details>",
    f"<form action=javascript:{MARK}><button>go</button></form>",
    f"`<script>{MARK}</script>`",
    f"```html\n<script>{MARK}</script>\n<img src=x onerror={MARK}>\n```",
    f"```js\n</code></pre><script>{MARK}</script>\n```",
    "<base href=http://evil.test/><link rel=stylesheet href=http://evil.test/x.css>",
    '<meta http-equiv=refresh content="0;url=http://evil.test/">',
    f"${{{MARK}}} {{{{{MARK}}}}} __proto__ constructor",
    "\u001b]0;title\u0007\u001b[2J\u001b[31mred\u001b]8;;http://evil.test\u0007link\u001b]8;;\u0007",
    "\u202eevil.exe\u202c \u2066isolated \u200f\u200e\u061c",
    "&lt;script&gt; &notin; &#x202e; &CounterClockwiseContourIntegral; &unknown;",
]
LONG = [
    "Z\u0351\u036b\u0343\u032a" * 400,
    "a" * 200_000,
    "\n" * 5000,
    "\ufdfd" * 2000,
    "<" * 5000,
    "[" * 3000 + "](" * 3000,
    "*_`~" * 3000,
]
PAYLOADS = [*SHORT, *LONG]


def hostile_events(text: str, number: int) -> list[dict[str, Any]]:
    use = f"use-{number}"
    return [
        says(text),
        says(text, role="user"),
        {"event_type": "thinking", "content": [{"type": "thinking", "thinking": text}]},
        {"event_type": "pre_tool", "tool_name": text[:90], "tool_use_id": use,
         "tool_input": {"command": text, text[:100]: text}},
        {"event_type": "post_tool", "tool_name": text[:90], "tool_use_id": use, "tool_output": text,
         "error": text},
        {"event_type": "pre_tool", "tool_name": "Edit", "tool_use_id": use + "e",
         "tool_input": {"file_path": text, "old_string": text, "new_string": text + "x"}},
        {"event_type": "post_tool", "tool_name": "Bash", "tool_use_id": use + "b",
         "tool_output": {"stdout": text, "stderr": [text]}},
        {"event_type": text[:99], "detail": text, "error": text},
        {"event_type": "diagnostic", "content": [{"type": "text", "text": text}]},
        {"event_type": "permission_denied", "tool_name": text[:90], "error": text},
        {"event_type": "subagent_start", "subagent_id": text[:90], "description": text},
        {"event_type": "retry", "error": text, "attempt": 1, "delay_seconds": 1},
    ]  # fmt: skip


DESKTOP, PHONE = 1280, 375
AT_ONCE = 5
"""Number of short payloads in a session."""
TALL = 20_000
"""A height at which all rows of a session with short payloads are rendered."""
# A script in the page, because each click of the driver waits for two frames.
OPEN_ALL = """rows => {
  const closed = rows.flatMap(row => [
    ...row.querySelectorAll('button[aria-expanded=false], details:not([open]) > summary'),
  ]).filter(each => each.checkVisibility());
  closed.forEach(each => each.click());
  return closed.length;
}"""


def session_with(number: int) -> str:
    """Return the session that has the events with this payload: a long one has its own."""
    return f"s{number if number >= len(SHORT) else number - number % AT_ONCE}"


def is_unharmed(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate("() => window.hacked") is None
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    hrefs = page.locator("a[href]").evaluate_all("links => links.map(link => link.protocol)")
    assert set(hrefs) <= {"http:", "https:", "mailto:"}
    images = page.locator("img").evaluate_all("images => images.map(image => image.src)")
    assert all(address.startswith(page.evaluate("() => location.origin")) for address in images)
    for tag in (
        "iframe",
        "form[action]",
        "base",
        "svg[onload]",
        "meta[http-equiv]",
    ):
        assert page.locator(tag).count() == 0, tag


@pytest.fixture
def hostile(own: RunningManager, api: Api) -> Api:
    names = {f"s{number}": text[:200].strip() or "x" for number, text in enumerate(PAYLOADS)}
    for number, text in enumerate(PAYLOADS):
        session_id = f"s{number}"
        name = names[session_id]
        create(
            api,
            session_id,
            agent_name=name,
            executor=name,
            host=name,
            project_dir=text[:300],
        )
        append(api, session_with(number), *hostile_events(text, number))
    for number, text in enumerate(PAYLOADS):
        stop = {"event_type": "session_stop", "reason": text[:50], "error": text, "exit_code": 1}
        append(api, f"s{number}", stop)
    give_names(own, names)
    return api


def test_hostile_content_runs_no_script_and_breaks_no_layout(
    own: RunningManager, visit: Open, hostile: Api
) -> None:
    opened = visit(own)

    def look(test_id: str, *widths: int) -> None:
        for width in widths:
            is_unharmed(page, width)
            expect(page.get_by_test_id(test_id).first).to_be_visible()

    page = opened.enter("#/sessions")
    expect(page.get_by_test_id("session-row").first).to_be_visible()
    turned = next(number for number, text in enumerate(PAYLOADS) if text.startswith("\u202e"))
    row = page.locator(f"[data-testid=session-row][data-session-id=s{turned}]")
    expect(row.get_by_role("link", name="evil.exe")).to_be_visible()
    assert not set("\u202e\u2066\u200f") & set(row.inner_text())  # it turns no other text around
    look("session-row", DESKTOP, PHONE)
    opened.go("#/")
    expect(page.get_by_test_id("now-row").first).to_be_visible()
    look("now-row", DESKTOP, PHONE)
    opened.go("#/cost")
    expect(page.get_by_role("rowheader").first).to_be_visible()
    for width in (DESKTOP, PHONE):
        is_unharmed(page, width)
    of_short = {session_with(number) for number in range(len(SHORT))}
    for session_id in dict.fromkeys(map(session_with, range(len(PAYLOADS)))):
        opened.go(f"#/sessions/{session_id}/seq/1")
        rows = page.get_by_test_id("event-row")
        expect(page.get_by_test_id("facts")).to_contain_text(session_id)
        expect(rows.locator("button[aria-expanded=false]").first).to_be_visible()
        if session_id in of_short:
            page.set_viewport_size({"width": PHONE, "height": TALL})
            expect(page.get_by_test_id("run-end")).to_be_visible()
        assert rows.evaluate_all(OPEN_ALL) > 0
        assert rows.evaluate_all(OPEN_ALL) > 0
        look("event-row", PHONE)
    look("event-row", DESKTOP)
    assert opened.page.url.startswith(own.url)


def test_checks_of_this_suite_detect_an_unsafe_page(own: RunningManager, visit: Open) -> None:
    """The policy blocks every foreign script, so the test injects one through the driver."""
    opened = visit(own)
    page = opened.enter()
    page.evaluate("() => { window.hacked = 1 }")
    with pytest.raises(AssertionError):
        is_unharmed(page, DESKTOP)
    page.evaluate("() => { try { document.createElement('div').innerHTML = '<b>x</b>' } catch {} }")
    assert any("Trusted" in problem for problem in opened.problems)
    opened.problems.clear()
