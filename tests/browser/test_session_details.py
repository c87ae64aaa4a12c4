"""Small parts of a session's page: task lists, the way to the end, a stop, and an outage."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit
from tests.browser.filled_sessions import append, call, create, result, says
from tests.support.api import Api
from tests.support.manager import RunningManager

TASKS = "Left:\n\n- [x] read the test\n- [ ] fix the login\n  - [ ] and the logout\n"


def test_short_running_session_is_accessible_and_can_be_stopped(
    own: RunningManager, api: Api, visit: Callable[..., Visit]
) -> None:
    create(api, "s", project_dir="/work")
    use = call(1, "Task", {"description": "Survey", "prompt": "Look."})
    inner = {"parent_tool_use_id": "call-1"}
    append(
        api,
        "s",
        says("Continue.", role="user"),
        says(TASKS),
        use,
        call(2, "Bash", {"command": "ls"}, **inner),
        result(2, "Bash", "src", **inner),
        result(1, "Task", "Nothing."),
    )
    page = visit(own).enter("#/sessions/s")
    boxes = page.get_by_role("checkbox", disabled=True)
    expect(boxes).to_have_count(3)
    closed = page.locator("[data-seq] button[aria-expanded=false]")
    opened_folds = page.locator("[data-seq] button[aria-expanded=true]")
    while closed.count():
        count = opened_folds.count()
        closed.first.click()
        expect(opened_folds).to_have_count(count + 1)
    expect(page.get_by_text("Nothing.")).to_be_visible()
    expect(page.get_by_test_id("to-end")).to_have_count(0)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect_accessible(page)

    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    toast = page.get_by_text("Stop requested.")
    expect(toast).to_be_visible()
    append(api, "s", {"event_type": "session_stop", "reason": "stopped"})
    expect(toast).to_have_count(0)

    own.kill()
    expect(page.get_by_role("alert")).to_contain_text("agent-session-manager serve")
    expect(page.get_by_role("button", name="Retry now")).to_be_visible()
