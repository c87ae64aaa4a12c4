"""The page Now: sessions that need the person, run, or are done; by mouse and by keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit
from tests.browser.filled_sessions import append, create, says
from tests.browser.pictures import picture
from tests.store.promises.events import question
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

Open = Callable[..., Visit]
DESKTOP = {"width": 1280, "height": 860}
CHOICES = [
    {"id": "a", "kind": "allow", "label": "Allow once"},
    {"id": "d", "kind": "deny", "label": "Deny"},
]
COMMAND = {"command": "sleep 12; echo chapter 37"}
CALL = {"event_type": "pre_tool", "tool_name": "Bash", "tool_input": COMMAND, "tool_use_id": "t1"}
EDIT = {"file_path": "/work/shop/a.py", "old_string": "a\n", "new_string": "b\nc\n"}
EDITS: list[dict[str, Any]] = [
    {**event, "tool_name": "Edit", "tool_use_id": number}
    for number, error in (("e1", None), ("e2", "no match"))
    for event in (
        {"event_type": "pre_tool", "tool_input": EDIT},
        {"event_type": "post_tool", "error": error},
    )
]
"""An edit that changed a file, and one that failed."""
DENIED = {"event_type": "permission_denied", "tool_name": "Edit", "tool_use_id": "t1"}


def ends(reason: str = "completed", error: str | None = None) -> dict[str, Any]:
    return {"event_type": "session_stop", "reason": reason, "error": error}


def fill(own: RunningManager, api: Api) -> None:
    """Let one session of each kind of attention need the person, and two run."""
    priced = {"input_tokens": 900, "output_tokens": 90, "cost_microdollars": 70_000}
    used = {"event_type": "usage", "usage": priced}
    asks = question("q1", title="Run `rm -rf db`", tool_name="Bash", choices=CHOICES)
    told = says("Logout now rotates the session id.")
    for name, events in {
        "clean-db": [asks],
        "port-parser": [ends("failed", "no valid login: run claude, then /login")],
        "rename-field": [DENIED, says("I could not edit."), ends()],
        "long-test": [CALL],
        "push-it": [says("All is done.\n\nShall I push?"), ends()],
        "fix-login": [used, *EDITS, told, ends()],
        "a-run": [CALL],
        "lead": [says("I have two helpers.")],
    }.items():
        create(api, name, project_dir="/work/shop", executor="claude")
        append(api, name, says(f"Please do {name}.", "user"), *events)
    for name in ("helper-one", "helper-two"):
        create(api, name, parent_session_id="lead", executor="claude")
    append(api, "helper-two", ends("failed", "no"))
    assert own.stop() == 0
    with sqlite3.connect(own.state_dir / "sessions.db") as database:
        database.execute("UPDATE sessions SET attention = 'quiet' WHERE session_id = 'long-test'")
    database.close()
    own.restart()


def kinds(page: Page, section: str) -> list[tuple[str, str]]:
    rows = page.get_by_role("region", name=section, exact=True).get_by_test_id("now-row")
    found = rows.evaluate_all("rows => rows.map(row => [row.dataset.sessionId, row.dataset.kind])")
    return [(str(name), str(kind)) for name, kind in found]


def row(page: Page, name: str) -> Locator:
    return page.locator(f"[data-testid=now-row][data-session-id={name}]")


@pytest.fixture
def filled(own: RunningManager, api: Api) -> Iterator[Api]:
    fill(own, api)
    with Api(own) as opened:
        yield opened


def test_each_kind_has_its_row_reason_and_acts(
    own: RunningManager, visit: Open, filled: Api
) -> None:
    opened = visit(own, viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"])
    page = opened.enter()
    expect(page.get_by_test_id("now-row")).to_have_count(8)
    assert kinds(page, "Needs you") == [
        ("clean-db", "asks"), ("port-parser", "failed"), ("rename-field", "denied"),
        ("long-test", "quiet"), ("push-it", "question"),
    ]  # fmt: skip
    assert kinds(page, "Running") == [("lead", "running"), ("a-run", "running")]
    assert kinds(page, "Done since you looked") == [("fix-login", "done")]
    for name, text in {
        "clean-db": "asks for permission: Run `rm -rf db`",
        "port-parser": "no valid login: run claude, then /login",
        "rename-field": "1 call was denied: Edit",
        "long-test": "newest: Bash",
        "push-it": "perhaps asks: “Shall I push?”",
        "a-run": "Bash: sleep 12; echo chapter 37",
        "lead": "2 children: 1 failed, 1 running",
        "fix-login": "“Logout now rotates the session id.”",
    }.items():
        expect(row(page, name)).to_contain_text(text)
    expect(row(page, "fix-login")).to_contain_text("1 file added +2 removed −1 $0.07")
    expect(page.locator(".now-summary")).to_have_text("5 need you. 3 run.")
    expect(page.get_by_role("link", name="Now 5 need you")).to_be_visible()
    expect(page).to_have_title("(5) Now – Agent Session Manager")
    assert "favicon-dot" in str(page.locator("link[rel=icon]").get_attribute("href"))
    expect(page.locator(".today")).to_contain_text("Today $0.07 in 1 project; 5 runs still")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (390, DESKTOP["width"]):
            page.set_viewport_size({"width": width, "height": DESKTOP["height"]})
            picture(page, f"now-{scheme}-{width}")
            expect_accessible(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Resume…: copies the command for port-parser").click()
    copied = "() => navigator.clipboard.readText()"
    wait_for(lambda: "ao-resume port-parser" in page.evaluate(copied), "the command is copied")
    page.get_by_role("button", name="Stop all 3…").click()
    dialog = page.get_by_role("dialog", name="Stop 3 runs?")
    assert dialog.get_by_role("listitem").all_inner_texts() == ["helper-one", "lead", "a-run"]
    dialog.get_by_role("button", name="Stop all 3").click()
    expect(page.get_by_test_id("toasts")).to_contain_text("3 sessions asked to stop.")
    asked = filled.get("/sessions/a-run/runs/1/requests").json["requests"]
    assert [each["kind"] for each in asked] == ["stop"]
    page.get_by_role("button", name="Mark all as seen").click()
    expect(page.get_by_test_id("toasts")).to_contain_text("4 sessions: seen.")
    assert filled.get("/sessions?attention=failed&attention=done").json["sessions"] == []
    expect(page.locator(".now-row.is-seen")).to_have_count(4)
    expect(page).to_have_title("(2) Now – Agent Session Manager")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".now-row.is-seen")).to_have_count(0)
    expect(page).to_have_title("(5) Now – Agent Session Manager")


def test_keys_answer_stop_select_and_mark(own: RunningManager, visit: Open, filled: Api) -> None:
    page = visit(own, viewport=DESKTOP).enter()
    expect(page.get_by_test_id("now-row")).to_have_count(8)
    page.keyboard.press("j")
    expect(row(page, "clean-db")).to_be_focused()
    page.keyboard.press("a")
    expect(row(page, "clean-db").get_by_role("button", name="Allow once")).to_be_focused()
    picture(page, "now-answer")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toasts")).to_contain_text("Answered: Allow once")
    page.keyboard.press("j")
    expect(row(page, "port-parser")).to_be_focused()
    page.keyboard.press(".")
    expect(page.get_by_role("button", name="Mark as seen")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(row(page, "port-parser")).to_contain_text("failed, seen")
    page.keyboard.press("u")
    expect(row(page, "port-parser")).not_to_contain_text("failed, seen")
    for _ in range(3):
        page.keyboard.press("j")
    expect(row(page, "push-it")).to_be_focused()
    page.keyboard.press("Space")
    expect(row(page, "push-it").locator(".peek")).to_contain_text("All is done.")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    chosen = page.get_by_role("toolbar", name="Selected sessions")
    expect(chosen).to_contain_text("2 selected")
    page.keyboard.press("s")
    expect(page.get_by_role("dialog", name="Stop “lead”?")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(row(page, "push-it")).to_contain_text("question, seen")
    expect(chosen).to_have_count(0)
    page.keyboard.press("Space")
    expect(row(page, "lead").locator(".peek")).to_contain_text("No tool call yet.")
    page.keyboard.press("Enter")
    page.wait_for_url("**/#/sessions/lead")


def test_page_is_empty_in_words_fills_and_is_seen(
    own: RunningManager, visit: Open, api: Api
) -> None:
    page = visit(own, viewport=DESKTOP).enter()
    empty = page.get_by_test_id("empty")
    expect(empty).to_contain_text("No sessions yet.")
    for command in ("ao-import", "ao-new my-first-session"):
        expect(empty).to_contain_text(command)
    assert "favicon-dot" not in str(page.locator("link[rel=icon]").get_attribute("href"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"now-first-{scheme}")
        expect_accessible(page)
    create(api, "a-run", executor="command")
    expect(row(page, "a-run")).to_be_visible()
    expect(page.locator(".now-summary")).to_have_text("Nothing needs you. 1 runs.")
    append(api, "a-run", ends("stopped"))
    expect(empty).to_contain_text("Everything is seen.")
    expect(page).to_have_title("Now – Agent Session Manager")
    picture(page, "now-empty")

    # An end is seen after a look, and stays unseen if that is wanted.
    create(api, "fix-login", executor="claude")
    append(api, "fix-login", says("Done."), ends())
    row(page, "fix-login").get_by_role("link", name="fix-login").click()

    def seen() -> int:
        return int(api.get("/sessions/fix-login").json["session"]["seen_run"])

    wait_for(lambda: seen() == 1, "the end is seen")
    api.patch("/sessions/fix-login", {"seen_run": 0})
    page.clock.install()
    page.clock.run_for(10_000)
    assert seen() == 0
    page.get_by_role("link", name="Now").click()
    expect(row(page, "fix-login")).to_be_visible()


def test_bell_tells_what_needs_the_person(own: RunningManager, visit: Open, api: Api) -> None:
    create(api, "clean-db", project_dir="/work/shop", executor="claude")
    opened = visit(own, permissions=["notifications"])
    page = opened.page
    page.add_init_script(
        """window.told = [];
        class Told { constructor(title, options) {
          window.told.push([title, options.body]);
          window.newest = this;
        } close() {} }
        Told.permission = 'granted';
        Told.requestPermission = async () => 'granted';
        window.Notification = Told;
        document.hasFocus = () => false;"""
    )
    opened.enter()
    append(api, "clean-db", question("q1", title="Run a command"))
    expect(row(page, "clean-db")).to_have_attribute("data-kind", "asks")
    bell = page.get_by_role("button", name="Tell me when something needs me")
    bell.click()
    expect(bell).to_have_attribute("aria-pressed", "true")
    # On the page of another session, the connection of the list is kept.
    create(api, "port-parser", project_dir="/work/shop", executor="claude")
    page.get_by_role("link", name="clean-db").click()
    page.locator(".session").wait_for()
    append(api, "port-parser", ends("failed", "no valid login"))
    told = "() => window.told"
    expected = [["port-parser · /work/shop", "no valid login"]]
    wait_for(lambda: page.evaluate(told) == expected, "the bell rings")
    page.evaluate("() => window.newest.onclick()")
    page.wait_for_url("**/#/sessions/port-parser")
