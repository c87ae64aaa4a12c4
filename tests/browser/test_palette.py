"""Ctrl K: one box that finds sessions and events, and acts."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit
from tests.browser.filled_sessions import append, create, says
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager

Open = Callable[..., Visit]


def test_palette_finds_what_was_said_and_done_and_acts(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "hashing", project_dir="/work/shop", executor="command")
    edit = {"tool_name": "Edit", "tool_use_id": "1"}
    append(
        api,
        "hashing",
        says("Replace md5.", role="user"),
        {"event_type": "pre_tool", "tool_input": {"new_string": "hashlib.sha256()"}, **edit},
        {"event_type": "post_tool", "tool_output": "ok", **edit},
        says("It is now sha256 with a salt."),
        {"event_type": "session_stop", "reason": "completed"},
    )
    create(api, "sha256-tables", executor="command", lease={"holder": "me"})
    wait_for_index(api)

    opened = visit(own, color_scheme="dark")
    page = opened.enter("#/sessions")
    page.get_by_test_id("session-row").first.wait_for()
    palette = page.get_by_role("dialog", name="Search or do")
    box = palette.get_by_role("combobox")
    option = palette.get_by_role("option")

    page.keyboard.press("Control+k")
    expect(palette.get_by_role("group", name="Sessions").get_by_role("option")).to_have_count(2)
    page.keyboard.type("sha256")
    expect(palette.get_by_role("group", name="Said").get_by_role("option")).to_contain_text(
        "It is now sha256 with a salt."
    )
    expect(palette.get_by_role("group", name="Did").get_by_role("option")).to_contain_text("Edit")
    found = palette.get_by_role("group", name="Sessions").get_by_role("option")
    expect(found).to_have_count(1)  # the list answers later than the search
    expect(found).to_contain_text("sha256-tables")
    expect_accessible(page)
    page.keyboard.press("ArrowDown")
    expect(option.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url("**/#/sessions/hashing/seq/4?q=sha256*")

    page.keyboard.press("Control+k")
    page.keyboard.type("sha256")
    expect(palette.get_by_role("group", name="Sessions").get_by_role("option")).to_have_count(1)
    page.keyboard.press("Shift+Enter")
    page.wait_for_url("**/#/sessions?q=sha256")

    page.keyboard.press("Control+k")
    box.fill('"')
    expect(palette.get_by_role("alert")).to_be_visible()
    box.fill("light")
    expect(option.filter(has_text="Light colours")).to_be_visible()
    option.filter(has_text="Light colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()

    page.keyboard.press("Control+k")
    box.fill("mark all")
    option.filter(has_text="Mark all as seen").click()
    expect(page.get_by_test_id("toasts")).to_contain_text("hashing: seen.")
    assert api.get("/sessions/hashing").json["session"]["attention"] is None
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_test_id("toasts")).to_contain_text("hashing: unseen.")
    assert api.get("/sessions/hashing").json["session"]["seen_run"] == 0
    page.keyboard.press("Control+k")
    box.fill("stop all")
    expect_accessible(page)
    option.filter(has_text="Stop all running").click()
    page.get_by_role("dialog", name="Stop “sha256-tables”?").get_by_role(
        "button", name="Stop run 1"
    ).click()
    expect(page.get_by_test_id("toasts")).to_contain_text("1 session asked to stop")
