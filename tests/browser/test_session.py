"""A session as a conversation: calls, errors, subagents, and jumps in a very long session."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import (
    TIMELINE,
    Visit,
    choose,
    expect_shown_as,
    first_shown,
    scroll_to,
)
from tests.browser.filled_sessions import append, call, create, result, says
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

Open = Callable[..., Visit]
LONG = 3_000


def test_session_is_shown_as_a_conversation(own: RunningManager, visit: Open, api: Api) -> None:
    """Its calls are folded, a subagent under the call that started it, and a next run follows."""
    create(api, "s")
    append(
        api,
        "s",
        says("Fix **it**.", role="user"),
        {
            "event_type": "thinking",
            "content": [{"type": "thinking", "thinking": "hidden thoughts"}],
        },
        call(1, "Bash", {"command": "pytest -q"}),
        result(1, "Bash", "\u001b[31mred\u001b[0m and plain\nline two"),
        call(2, "Edit", {"file_path": "/a.py", "old_string": "old = 1", "new_string": "new = 2"}),
        result(2, "Edit", "done"),
        call(3, "Grep", {"pattern": "x", "deep": {"er": [1, 2]}}),
        result(3, "Grep", None, error="no such directory"),
        says("# Done\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
        {"event_type": "something_new", "detail": "from a later version"},
        {"event_type": "session_stop", "reason": "completed", "exit_code": 0},
    )
    opened = visit(own)
    page = opened.enter("#/sessions/s")
    expect(page.get_by_test_id("message").first.locator("strong")).to_have_text("it")
    answer = page.get_by_test_id("message").last
    expect(answer.get_by_role("heading", name="Done")).to_be_visible()
    expect(answer.get_by_role("table")).to_be_visible()
    expect(answer.locator("code span[class*=hljs]").first).to_be_visible()
    expect(page.get_by_text("hidden thoughts")).not_to_be_visible()
    group = page.get_by_test_id("call-group").get_by_role("button")
    expect(group).to_contain_text("3 calls1 Bash, 1 Edit, 1 Grep (1 failed)")
    group.click()
    calls = page.get_by_test_id("call")
    expect(calls).to_have_count(3)
    assert calls.evaluate_all("rows => rows.map(row => row.dataset.outcome)") == [
        "ok",
        "ok",
        "failed",
    ]
    calls.nth(0).locator("summary, button").first.click()
    expect(calls.nth(0)).to_contain_text("red and plain")
    assert "\u001b" not in calls.nth(0).inner_text() and "[31m" not in calls.nth(0).inner_text()
    expect(calls.nth(1)).to_contain_text("added +1 removed −1")
    calls.nth(1).locator("summary, button").first.click()
    expect(calls.nth(1)).to_contain_text("old = 1")
    expect(calls.nth(1).locator(".counts")).to_have_count(0)
    expect(calls.nth(1)).to_contain_text("new = 2")
    expect(calls.nth(1)).not_to_contain_text("Output")
    expect(calls.nth(2)).to_contain_text("no such directory")
    expect(page.get_by_text("something_new")).to_be_visible()

    fill_with_subagent(api)
    opened.go("#/sessions/lead")
    outside = page.get_by_text("outside", exact=True)
    expect(outside).to_be_visible()
    inside = page.get_by_text("from inside")
    expect(inside).to_have_count(0)
    page.get_by_role("button", name="Subagent: ").click()
    expect(inside).to_be_visible()
    nested, beside = inside.bounding_box(), outside.bounding_box()
    assert nested is not None and beside is not None
    assert nested["x"] > beside["x"]

    create(api, "resumed")
    append(
        api, "resumed", says("first answer"), {"event_type": "session_stop", "reason": "stopped"}
    )
    create(api, "child", parent_session_id="resumed", notify=True)
    append(api, "child", {"event_type": "session_stop"})
    opened.go("#/sessions/resumed")
    gist, facts = page.get_by_test_id("gist"), page.get_by_test_id("facts")
    expect(gist.get_by_test_id("state")).to_contain_text("stopped")
    # The facts have the notices for the session until the run takes them.
    expect(facts).to_contain_text("Notices1 not told yet (held until the next resume: stopped)")
    api.post("/sessions/resumed/runs", {"take_notices": True})
    expect(facts).not_to_contain_text("held until")
    append(api, "resumed", says("second answer"))
    expect(gist.get_by_test_id("state")).to_contain_text("running")
    expect(page.get_by_test_id("message")).to_contain_text(["first answer", "second answer"])
    expect(page.get_by_test_id("run-border").last).to_contain_text("2")


def fill_with_subagent(api: Api) -> None:
    create(api, "lead")
    inside = {"parent_tool_use_id": "call-1"}
    begin = {"event_type": "subagent_start", "subagent_id": "a", "description": "look around"}
    end = {"event_type": "subagent_stop", "subagent_id": "a", "status": "completed"}
    append(
        api,
        "lead",
        call(1, "Task", {"description": "look around"}),
        {**begin, **inside},
        {**says("from inside"), **inside},
        call(2, "Bash", {"command": "ls inside"}, **inside),
        result(2, "Bash", "x", **inside),
        {**end, **inside},
        result(1, "Task", "found it"),
        says("outside"),
    )


def is_at(page: Page, seq: int) -> None:
    expect(page.locator(f"[data-testid=event-row][data-seq='{seq}']")).to_be_in_viewport()


def test_very_long_session_can_be_jumped_in_and_renders_few_rows(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "s")
    events = [says(f"number {number}") for number in range(1, LONG + 1)]
    events[2_700 - 1] = result(1, "Bash", "", error="it broke here")
    for number in (1_600, 2_200):
        events[number - 1] = call(number, "Bash", {"command": f"call at {number}"})
    events[2_500 - 1] = says("Continue.", role="user")
    append(api, "s", *events)
    page = visit(own).enter("#/sessions/s")
    is_at(page, LONG)
    assert page.get_by_test_id("event-row").count() < 200
    find = page.get_by_role("search", name="Find in session")
    field = find.get_by_role("searchbox")
    for wrong in (":0", ":-3", ":abc", ":1.5", f":{LONG + 1}"):
        field.fill(wrong)
        page.keyboard.press("Enter")
        expect(find.get_by_role("alert")).to_contain_text(f"a number from 1 to {LONG:,} after")
        expect(field).to_have_value(wrong)
    field.fill(":1000")
    page.keyboard.press("Enter")
    is_at(page, 1_000)
    expect(page.get_by_text("number 1000", exact=True)).to_be_visible()
    for key, seq in (("n", 1_600), ("n", 2_200), ("p", 1_600), ("e", 2_700), ("K", 2_500)):
        page.keyboard.press(key)
        is_at(page, seq)
    page.keyboard.press("E")
    expect(page.get_by_test_id("toasts")).to_contain_text("No failure or denial before this.")
    page.keyboard.press("e")
    is_at(page, 2_700)
    expect(page.get_by_text("it broke here")).to_be_visible()
    wait_for_index(api)
    page.keyboard.press("/")
    page.keyboard.type("number")
    page.keyboard.press("Enter")
    expect(find.get_by_role("status")).to_have_text("1,000+ hits")
    field.fill('"number 777"')
    page.keyboard.press("Enter")
    expect(find.get_by_role("status")).to_have_text("1 of 1")
    is_at(page, 777)
    page.get_by_label("Show").select_option("failures")
    expect(page.get_by_test_id("event-row")).to_have_count(1)
    page.get_by_label("Show").select_option("all")
    page.get_by_role("navigation", name="Outline").get_by_role("link", name="2700").click()
    is_at(page, 2_700)
    append(api, "s", says("one more"))
    expect(page.get_by_test_id("to-end")).to_contain_text("1 new")
    is_at(page, 2_700)
    page.get_by_test_id("to-end").click()
    expect(page.get_by_text("one more", exact=True)).to_be_visible()
    page.goto(f"{own.url}/#/sessions/s/seq/123")
    is_at(page, 123)
    page.reload()
    is_at(page, 123)
    assert page.get_by_test_id("event-row").count() < 200


def test_end_is_followed_until_the_reader_scrolls_up(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "s")
    append(api, "s", *(says(f"number {number}") for number in range(1, 101)))
    page = visit(own).enter("#/sessions/s")
    is_at(page, 100)
    append(api, "s", *(says(f"number {number}") for number in range(101, 131)))
    is_at(page, 130)
    scroll_to(page, TIMELINE, 100)
    expect(page.get_by_test_id("to-end")).to_be_visible()
    before = first_shown(page, TIMELINE)
    append(api, "s", *(says(f"number {number}") for number in range(131, 161)))
    expect(page.get_by_test_id("to-end")).to_contain_text("30 new")
    expect_shown_as(page, TIMELINE, before, "30 new events")


def test_events_loaded_above_do_not_move_the_reader(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "s")
    append(api, "s", *(says(f"number {number}\n\n" * 4) for number in range(1, 1001)))
    page = visit(own).enter("#/sessions")
    held: list[Route] = []

    def hold_above(route: Route) -> None:
        after = re.search(r"after_seq=(\d+)", route.request.url)
        if after is not None and int(after[1]) < 800:
            held.append(route)
        else:
            route.continue_()

    page.route("**/sessions/s/events?*", hold_above)
    page.goto(f"{own.url}/#/sessions/s/seq/900")
    is_at(page, 900)
    first_shown(page, TIMELINE)
    timeline = page.locator(TIMELINE)
    scroll_to(page, TIMELINE, timeline.evaluate("element => element.scrollTop") - 10_000)
    before = first_shown(page, TIMELINE)
    assert held, "no event above was requested, so none can be loaded now"
    height = timeline.evaluate("element => element.scrollHeight")
    for route in held:
        route.continue_()
    page.wait_for_function(
        "([what, height]) => document.querySelector(what).scrollHeight > height",
        arg=[TIMELINE, height],
    )
    expect_shown_as(page, TIMELINE, before, "events are loaded above")


def test_session_shows_what_it_changed_and_takes_messages(
    own: RunningManager, visit: Open, api: Api
) -> None:
    """A visit of every part of the page, with the keys that lead from session to session."""
    for name in ("older", "s"):
        create(api, name, project_dir="/p", lease={"holder": "me"})
    edit = {"file_path": "/p/a.py", "old_string": "one\ntwo\n", "new_string": "one\n2\n3\n"}
    append(
        api,
        "s",
        says("Change it.", role="user"),
        *(call(1, "Edit", edit), result(1, "Edit", "updated")),
        *(call(2, "Edit", edit), result(2, "Edit", None, error="no match")),
        *(call(3, "Bash", {"command": "make"}), result(3, "Bash", "made")),
        {"event_type": "usage", "usage": {"output_tokens": 7, "cost_microdollars": 70_000}},
    )
    opened = visit(own, permissions=["clipboard-read", "clipboard-write"])
    page = opened.enter("#/sessions/s")
    expect(page.get_by_test_id("call")).to_have_count(3)  # open while the session runs
    parts = page.get_by_role("navigation", name="Parts of this session")
    parts.get_by_role("link", name="Changes 1").click()
    file = page.get_by_test_id("changed-file")
    expect(file).to_have_count(1)
    expect(file.get_by_role("button")).to_contain_text("a.pyadded +2 removed −11 edit")
    expect(file).to_contain_text("+3")
    expect(page.get_by_label("Not done")).to_contain_text("4faileda.pyno match")
    expect(page.get_by_label("Changed files")).to_contain_text("By 1 shell command: not known.")
    page.get_by_role("button", name="Copy as patch").click()
    patch = "--- a.py\n+++ a.py\n@@ -1,2 +1,3 @@\n one\n-two\n+2\n+3\n"
    wait_for(
        lambda: page.evaluate("() => navigator.clipboard.readText()") == patch,
        "the patch is copied",
    )
    parts.get_by_role("link", name="Raw").click()
    page.get_by_text("pre_tool").first.click()
    expect(page.get_by_label("Stored events")).to_contain_text('"tool_use_id": "call-1"')

    page.keyboard.press("t")
    page.keyboard.type("Leave it.")
    page.keyboard.press("Enter")
    sent = page.get_by_test_id("sent")
    expect(sent).to_contain_text("Leave it. waiting for the agent")
    [request] = api.get("/sessions/s/runs/1/requests").json["requests"]
    assert request["payload"] == {"text": "Leave it."}
    settled = {"state": "refused", "detail": "it takes none"}
    api.put(f"/sessions/s/runs/1/requests/{request['request_id']}", settled)
    expect(sent).to_contain_text("refused: it takes none")
    page.keyboard.press("Escape")

    append(api, "s", {"event_type": "session_stop", "run": 1, "reason": "completed"})
    parts.get_by_role("link", name="Runs 1").click()
    expect(page.get_by_role("row", name="Run 1")).to_contain_text("completed")
    parts.get_by_role("link", name="Conversation").click()
    expect(page.get_by_test_id("run-end")).to_contain_text("Run 1 completed7 out")
    told = "3 calls2 Edit (1 failed), 1 Bashadded +2 removed −1"
    expect(page.get_by_test_id("call-group")).to_contain_text(told)
    choose(page, "More acts", "Mark as unseen")
    expect(page.get_by_test_id("toasts")).to_contain_text("Marked as unseen.")
    page.keyboard.press("]")
    expect(page.get_by_role("heading", level=1)).to_have_text("older")
    page.keyboard.press("[")
    expect(page.get_by_role("heading", level=1)).to_have_text("s")
    page.keyboard.press("Escape")
    page.wait_for_url("**/#/sessions")
