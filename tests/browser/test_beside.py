"""Two sessions beside each other and compared, and one subagent alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit, choose, expect_shown_as, first_shown, scroll_to
from tests.browser.filled_sessions import append, call, create, result, says
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 780}
EDIT = {"file_path": "/p/src/login.py", "old_string": "a\nb", "new_string": "c"}


def numbered(prefix: str, count: int) -> list[dict[str, Any]]:
    return [says(f"{prefix} {number}", "user") for number in range(1, count + 1)]


def side(page: Page, where: str) -> Locator:
    return page.get_by_test_id("side").and_(page.get_by_label(f"On the {where}: "))


def timeline(where: str) -> str:
    return f"[data-testid=side][aria-label^='On the {where}'] [data-testid=timeline]"


def test_two_sessions_are_followed_beside_each_other(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "one", lease={"holder": "me"})
    append(api, "one", *numbered("first", 120))
    create(api, "two", lease={"holder": "me"})
    append(api, "two", *numbered("second", 120))
    opened = visit(own, viewport=DESKTOP)
    page = opened.enter("#/sessions")
    for name in ("two", "one"):
        page.locator(f"[data-session-id={name}]").get_by_role("checkbox").check()
    page.get_by_role("link", name="Open beside each other").click()
    page.wait_for_url("**/#/beside/one/two")
    left, right = side(page, "left"), side(page, "right")
    expect(page).to_have_title("one | two – Agent Session Manager")

    # Live on both sides by one connection.
    for name, where in (("one", left), ("two", right)):
        append(api, name, says(f"news of {name}"))
        expect(where.get_by_text(f"news of {name}")).to_be_in_viewport()
    assert not [url for url in opened.requests if "follow=" in url]
    expect(page.get_by_test_id("connection")).to_have_text("Live")

    # Each side has its own scrolling, and the keys belong to one of them.
    scroll_to(page, timeline("left"), 100)
    before = first_shown(page, timeline("left"))
    append(api, "two", says("more news of two"))
    expect(right.get_by_text("more news of two")).to_be_in_viewport()
    page.keyboard.press("o")
    expect(right.get_by_role("feed")).to_be_focused()
    page.keyboard.press("K")
    page.wait_for_url(re.compile(r"/#/beside/one/two\?right=\d+$"))
    right.get_by_role("searchbox").fill(":60")
    page.keyboard.press("Enter")
    page.wait_for_url("**/#/beside/one/two?right=60")
    right.get_by_role("link", name="59", exact=True).click()
    page.wait_for_url("**/#/beside/one/two?right=59")
    expect(right.locator("[data-seq='59']")).to_be_in_viewport()
    expect_shown_as(page, timeline("left"), before, "a jump on the other side")
    expect(left.get_by_role("toolbar").get_by_role("button", name="Stop")).to_be_visible()
    right.get_by_role("button", name="Tell…").click()
    expect(right.get_by_role("textbox", name="Message to the agent")).to_be_focused()
    page.keyboard.press("Escape")

    # A side that closes leaves the other one at its place.
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect_accessible(page)
    api.delete("/sessions/two?force=true")
    expect(right).to_contain_text("This session does not exist or was deleted.")
    expect_shown_as(page, timeline("left"), before, "a deletion on the other side")
    page.get_by_role("button", name="Close two").click()
    page.wait_for_url("**/#/sessions/one")
    expect_shown_as(page, "[data-testid=timeline]", before, "the other side was closed")

    # A related session is offered, and any other one by its name.
    create(api, "base")
    append(api, "base", says("the base"))
    create(api, "retry", parent_session_id="base")
    append(api, "retry", says("the retry"), {"event_type": "session_stop"})
    page.set_viewport_size(PHONE)
    opened.go("#/sessions/base")
    expect(page.get_by_role("heading", level=1)).to_have_text("base")
    choose(page, "More acts", "Open beside…")
    finder = page.get_by_role("dialog", name="Open beside “base”")
    expect(finder.get_by_role("group", name="Related").get_by_role("option")).to_contain_text(
        "retrychild"
    )
    expect_accessible(page)
    page.keyboard.type("retr")
    page.keyboard.press("Enter")
    page.wait_for_url("**/#/beside/base/retry")

    # A phone shows one side at a time.
    expect(page.get_by_text("the base")).to_be_visible()
    choice = page.get_by_role("group", name="Side to show")
    choice.get_by_role("button", name="finished retry").click()
    expect(page.get_by_text("the retry")).to_be_visible()
    expect(page.get_by_text("the base")).to_have_count(0)
    expect_accessible(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]

    # What fails on one side stays there.
    def refuse(route: Route) -> None:
        body = '{"code": "event_damaged", "detail": "The session is damaged."}'
        route.fulfill(status=400, body=body, content_type="application/json")

    page.route("**/sessions/broken", refuse)
    page.set_viewport_size(DESKTOP)
    opened.go("#/beside/broken/nowhere")
    expect(side(page, "left").get_by_role("alert")).to_contain_text("damaged")
    expect(side(page, "left").get_by_role("button", name="Try again")).to_be_visible()
    expect(side(page, "right")).to_contain_text("does not exist")
    page.keyboard.press("c")
    expect(page.get_by_role("main")).to_contain_text("damaged")


def inside(number: int, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events as those of the subagent that a call has started."""
    return [{**event, "parent_tool_use_id": f"call-{number}"} for event in events]


def test_subagent_is_followed_alone(own: RunningManager, visit: Open, api: Api) -> None:
    create(api, "lead", lease={"holder": "me"})
    bash = (
        call(3, "Bash", {"command": "ls src"}),
        result(3, "Bash", None, error="no such directory"),
    )
    append(
        api,
        "lead",
        says("Look at everything.", "user"),
        call(1, "Task", {"description": "Survey of src"}),
        call(2, "Task", {"description": "Check of tests"}),
        *inside(1, says("src is large")),
        *inside(2, says("tests are fine"), says("still fine")),
        *inside(1, *bash, call(4, "Task", {"description": "Count"})),
        *inside(4, says("12 files")),
        *numbered("later", 150),
    )
    opened = visit(own, viewport=DESKTOP)
    page = opened.enter("#/sessions/lead/seq/2")
    page.get_by_role("link", name="Follow alone: the subagent of event 2").click()
    page.wait_for_url("**/#/sessions/lead/alone/2")
    head, rows = page.get_by_role("heading", name="Survey of src"), page.get_by_test_id("event-row")
    expect(head).to_be_visible()
    expect(page.get_by_text("2 calls · 1 failed")).to_be_visible()
    shown = "rows => rows.map(row => Number(row.dataset.seq))"
    expect(rows).to_have_count(3)
    assert rows.evaluate_all(shown) == [4, 7, 9]

    # Live, with the subagents inside it, and without all others.
    append(api, "lead", *inside(2, says("tests again")), *inside(1, says("src again")))
    expect(page.get_by_text("src again")).to_be_in_viewport()
    append(api, "lead", *inside(4, says("13 files")))
    page.get_by_role("button", name="Subagent: 2 events").click()
    expect(page.get_by_text("13 files")).to_be_visible()
    outline = page.get_by_role("navigation", name="Outline")
    outline.get_by_role("link", name="Failed: Bash ls src").click()
    page.wait_for_url("**/#/sessions/lead/alone/2?at=7")
    expect(page.locator("[data-seq='7']")).to_have_class(re.compile("is-target"))
    page.reload()
    expect(page.locator("[data-seq='7']")).to_be_in_viewport()
    expect(page.get_by_text("tests are fine")).to_have_count(0)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        expect_accessible(page)
    page.evaluate("() => { window.print = () => { window.shown = document.body.innerText } }")
    page.keyboard.press("Control+p")
    page.wait_for_function("() => window.shown?.includes('13 files')")
    assert "tests are fine" not in page.evaluate("() => window.shown")

    # Back at the row of the call.
    page.keyboard.press("Escape")
    page.wait_for_url("**/#/sessions/lead/seq/2")
    expect(page.locator("[data-seq='2']")).to_be_in_viewport()
    opened.go("#/sessions/lead/alone/1")
    expect(page.get_by_test_id("empty")).to_have_text(
        "Event 1 has not started a subagent with events."
    )
