"""The list of sessions: filters, order, groups and actions, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from agent_session_manager.store.changes import CreateSession
from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit, choose
from tests.browser.filled_sessions import append, create, fill_list
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]
PHONE: ViewportSize = {"width": 375, "height": 740}


@pytest.fixture
def filled(api: Api) -> Api:
    """Create sessions in every state, of two projects and agents, one with a child."""
    for name, agent, project, reason, cost in (
        ("login", "fixer", "/work/web", None, 10),
        ("logout", "fixer", "/work/web", "completed", 300),
        ("parser", "porter", "/work/core", "failed", 200),
        ("docs", None, "/work/core", "stopped", 0),
        ("ghost", None, None, "lost", 0),
    ):
        create(api, name, agent_name=agent, project_dir=project, executor="command")
        usage = {"output_tokens": cost, "cost_microdollars": cost * 1000}
        append(api, name, {"event_type": "usage", "usage": usage})
        if reason:
            error = "no such option\ntry --help" if reason == "failed" else None
            append(api, name, {"event_type": "session_stop", "reason": reason, "error": error})
    create(api, "child", parent_session_id="login", executor="command")
    return api


def shown(page: Page) -> list[str]:
    ids = page.get_by_test_id("session-row").evaluate_all(
        "rows => rows.map(row => row.dataset.sessionId)"
    )
    return [str(each) for each in ids]


def expect_shown(page: Page, *session_ids: str) -> None:
    """Wait until exactly these sessions are shown, in this order."""
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('[data-testid=session-row]')]"
        ".sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)"
        ".map(row => row.dataset.sessionId)) === JSON.stringify(wanted)",
        arg=list(session_ids),
    )


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Filter")


def test_filter_and_order_apply_and_stay_in_the_address(
    own: RunningManager, visit: Open, filled: Api
) -> None:
    opened = visit(own)
    page = opened.enter("#/sessions")
    expect_shown(page, "child", "ghost", "docs", "parser", "logout", "login")
    states = page.get_by_test_id("session-row").get_by_test_id("state").all_inner_texts()
    assert sorted(states) == ["failed", "finished", "lost", "running", "running", "stopped"]
    row = page.get_by_test_id("session-row")
    expect(row.filter(has_text="logout")).to_contain_text("$0.30")
    expect(row.filter(has_text="parser")).to_contain_text("no such option")
    foot = page.locator(".list-foot")
    expect(foot).to_have_text("6 sessions, newest first")
    for query, wanted in (
        ("state:running state:waiting", ["child", "login"]),
        ("state:failed since:1h", ["parser"]),
        ("until:1h", []),
        ("reason:stopped reason:lost", ["ghost", "docs"]),
        ("cost:>0.25", ["logout"]),
        ("agent:fixer LOG", ["logout", "login"]),
        ("project:CORE", ["docs", "parser"]),
        ('project:"work/core" archived:all', ["docs", "parser"]),
        ("needs:me", ["ghost", "parser"]),
    ):
        box(page).fill(query)
        box(page).press("Enter")
        if wanted:
            expect_shown(page, *wanted)
        else:
            expect(page.get_by_test_id("empty")).to_be_visible()
    expect(foot).to_have_text("2 of 6 sessions, newest first")
    box(page).fill("state:running")
    expect_shown(page, "child", "login")
    append(filled, "child", {"event_type": "session_stop"})
    expect_shown(page, "login")
    page.get_by_role("link", name="Failed this week").click()
    page.wait_for_url("**/#/sessions?q=state:failed+since:7d")
    expect_shown(page, "parser")
    page.reload()
    expect_shown(page, "parser")
    expect(box(page)).to_have_value("state:failed since:7d")
    box(page).fill("stat:failed")
    page.get_by_role("button", name="state:failed").click()
    page.wait_for_url("**/#/sessions?q=state:failed")

    opened.go("#/sessions?project_dir=/work/web&sort=cost")  # a link of an older version
    expect_shown(page, "logout", "login")
    box(page).fill("")
    expect_shown(page, "logout", "parser", "login", "child", "ghost", "docs")
    head = page.get_by_role("columnheader", name="Name")
    for words, first in (("ascending", "child"), ("descending", "parser"), (None, "child")):
        head.get_by_role("button").click()
        if words is None:
            expect(head).not_to_have_attribute("aria-sort", "descending")
        else:
            expect(head).to_have_attribute("aria-sort", words)
        page.wait_for_function(
            "first => document.querySelector('[aria-rowindex=\"2\"]').dataset.sessionId === first",
            arg=first,
        )
    box(page).fill("project:web file:src/a.py")
    page.get_by_role("link", name="whose calls name file:src/a.py").click()
    page.wait_for_url("**/#/search?q=file%3Asrc%2Fa.py&kind=tool_input&project=web&by_session=true")
    page.go_back()
    box(page).fill("nothing like it")
    page.get_by_role("link", name="Search the events for nothing like it").click()
    page.wait_for_url("**/#/search?q=nothing+like+it")


def test_children_are_shown_under_their_parent(
    own: RunningManager, visit: Open, filled: Api
) -> None:
    page = visit(own).enter("#/sessions")
    page.get_by_role("button", name="Group by parent").click()
    expect_shown(page, "ghost", "docs", "parser", "logout", "login")
    page.get_by_role("button", name="child session of login").click()
    expect_shown(page, "ghost", "docs", "parser", "logout", "login", "child")
    create(filled, "second-child", parent_session_id="login")
    expect(page.get_by_role("button", name="2 child sessions of login")).to_be_visible()
    lead = page.locator("[data-session-id=login]")
    expect(lead).to_contain_text("2 children: 2 running")
    create(filled, "grandchild", parent_session_id="second-child")
    append(filled, "login", {"event_type": "session_stop", "reason": "completed"})
    append(filled, "grandchild", {"event_type": "session_stop", "reason": "failed"})
    expect(lead).to_contain_text("2 children and theirs: 1 failed, 2 running")
    expect(lead.get_by_test_id("state")).to_have_text("finished")
    page.get_by_role("button", name="Group by parent").click()
    expect(lead).to_contain_text("1 failed")


def test_list_can_be_used_by_keyboard_and_on_a_phone(
    own: RunningManager, visit: Open, filled: Api
) -> None:
    opened = visit(own)
    page = opened.enter()
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect_shown(page, "child", "ghost", "docs", "parser", "logout", "login")

    page.keyboard.press("/")
    page.keyboard.type("ag")
    option = page.get_by_role("option")
    expect(option).to_have_text([re.compile("^agent:")])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(option).to_have_count(3)  # the agents, and the executor of sessions without one
    page.keyboard.type("fix")
    page.keyboard.press("ArrowDown")
    expect(box(page)).to_have_attribute(
        "aria-activedescendant", option.first.get_attribute("id") or ""
    )
    expect_accessible(page)
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("agent:fixer ")
    page.keyboard.type("log")
    page.wait_for_url("**/#/sessions?q=agent:fixer+log")
    expect_shown(page, "logout", "login")
    page.keyboard.press("Escape")
    for name in ("logout", "login"):
        page.keyboard.press("j")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()

    bar = page.get_by_role("region", name="Selected sessions")
    page.keyboard.press("x")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+X")
    expect(bar).to_contain_text("2 sessions selected")
    expect(bar.get_by_role("button", name="Stop 1 of 2")).to_be_visible()
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Stop “login”?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="login", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/#/sessions/login")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.set_viewport_size(PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    opened.go("#/sessions")
    expect_shown(page, "child", "ghost", "docs", "parser", "logout", "login")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_filter_is_applied_when_its_field_loses_focus(
    own: RunningManager, visit: Open, filled: Api
) -> None:
    opened = visit(own)
    opened.page.clock.install()
    page = opened.enter("#/sessions")
    expect_shown(page, "child", "ghost", "docs", "parser", "logout", "login")
    an_hour_later = page.evaluate("() => Date.now() / 1000") + 3600
    page.clock.pause_at(an_hour_later)  # from here on, the page notices no pause in the typing
    page.keyboard.press("f")
    page.keyboard.type("log")
    page.keyboard.press("Escape")
    page.wait_for_url("**/#/sessions?q=log")
    expect(box(page)).to_have_value("log")


def test_session_page_can_archive_rename_and_delete(
    own: RunningManager, visit: Open, filled: Api
) -> None:
    for name in ("a", "b"):
        create(filled, name, project_dir="/p", unique_name=True)
    create(filled, "held", lease={"holder": "me"})
    opened = visit(own)
    page = opened.enter("#/sessions/docs")
    choose(page, "More acts", "Archive")
    expect(page.get_by_test_id("gist")).to_contain_text("archived")
    assert filled.get("/sessions/docs").json["session"]["archived_at"] is not None
    page.get_by_test_id("toasts").get_by_role("button", name="Undo").click()
    expect(page.get_by_test_id("gist")).not_to_contain_text("archived")
    choose(page, "More acts", "Delete…")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("docs")
    dialog.get_by_role("button", name="Delete the session").click()
    page.wait_for_url("**/#/sessions")
    expect_shown(page, "held", "b", "a", "child", "ghost", "parser", "logout", "login")
    assert filled.get("/sessions/docs").status == 404

    opened.go("#/sessions/a")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name").fill("b")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Name").fill("c")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("c")
    assert filled.get("/sessions/a").json["session"]["session_name"] == "c"

    opened.go("#/sessions/held")
    choose(page, "More acts", "Delete…")
    dialog.get_by_role("button", name="Delete the session").click()
    expect(dialog.get_by_role("alert")).to_contain_text("running")
    assert filled.get("/sessions/held").status == 200
    dialog.get_by_role("button", name="Delete anyway").click()
    page.wait_for_url("**/#/sessions")
    assert filled.get("/sessions/held").status == 404


def test_long_list_keeps_its_position_and_renders_few_rows(
    tmp_path: Path, start_manager: Callable[..., RunningManager], visit: Open
) -> None:
    """New sessions do not move the visible rows. The list loads the rest page by page.

    All that match the filter can be selected before they are loaded.
    """
    count, even = 210, 105  # three pages, and two of the half that the filter finds
    changes = [
        CreateSession(session_id=name, session_name=name, agent_name=("even", "odd")[number % 2])
        for number, name in enumerate(f"s{number:04}" for number in range(count))
    ]
    fill_list(tmp_path / "full" / "state", changes)
    full = start_manager(tmp_path / "full")
    page = visit(full).enter("#/sessions")
    table = page.get_by_role("table", name="Sessions")
    expect(page.locator("[data-session-id=s0209]")).to_be_visible()
    table.evaluate("element => { element.scrollTop = 800 }")
    looked_at = page.locator("[data-session-id=s0185]")
    expect(looked_at).to_be_visible()
    before = looked_at.bounding_box()
    with Api(full) as api:
        create(api, "fresh-one", agent_name="even")
        create(api, "fresh-two", agent_name="even")
    expect(page.get_by_test_id("show-new")).to_contain_text("2 new")
    assert looked_at.bounding_box() == before
    page.get_by_test_id("show-new").click()
    expect(page.locator("[data-session-id=fresh-two]")).to_be_visible()
    foot = page.locator(".list-foot")
    expect(foot).to_contain_text(f"{count + 2} sessions")

    box(page).fill("agent:even")
    expect(foot).to_contain_text(f"{even + 2} of {count + 2} sessions")
    everything = page.get_by_role("checkbox", name="Select all that match the filter")
    everything.check()
    bar = page.get_by_role("region", name="Selected sessions")
    expect(bar).to_contain_text(f"{even + 2} sessions selected")
    page.get_by_role("checkbox", name="Select fresh-one").uncheck()
    expect(bar.get_by_role("button", name=f"Stop {even + 1}", exact=True)).to_be_visible()
    page.keyboard.press("Escape")  # with the focus in a check box
    expect(bar).to_have_count(0)
    everything.check()
    page.get_by_role("checkbox", name="Select fresh-one").uncheck()
    bar.get_by_role("button", name="Archive").click()
    expect_shown(page, "fresh-one")
    expect(foot).to_contain_text("1 of ")
    page.get_by_test_id("toasts").get_by_role("button", name="Undo").click()
    expect(foot).to_contain_text(f"{even + 2} of {count + 2} sessions")

    box(page).fill("")
    page.wait_for_url("**/#/sessions")
    page.reload()
    expect(foot).to_contain_text(f"{count + 2} sessions")
    page.keyboard.press("End")
    expect(page.get_by_role("link", name="s0000")).to_be_focused()
    assert page.get_by_test_id("session-row").count() < 100
    assert table.get_attribute("aria-rowcount") == str(count + 2 + 1)
