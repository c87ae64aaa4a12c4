"""Real runs on the page: followed from start to end, stopped, and shown after a disconnect."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import LOAD_MS, Visit
from tests.browser.filled_sessions import append, create, says
from tests.commands.detached_session import start_detached
from tests.commands.processes import is_alive
from tests.commands.shell import Shell
from tests.support.api import Api
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

Open = Callable[..., Visit]

LINES = 300
PRINTING = (
    "import sys, time\n"
    "for number in range(int(sys.argv[1])):\n"
    "    print(f'line {number}', file=sys.stderr, flush=True)\n"
    "    time.sleep(0.01)\n"
    "print('all printed')\n"
)


def seqs_seen(page: Page) -> list[int]:
    seqs = page.get_by_test_id("event-row").evaluate_all(
        "rows => rows.map(row => Number(row.dataset.seq))"
    )
    return [int(seq) for seq in seqs]


def test_run_is_followed_from_start_to_end_and_beyond(
    own: RunningManager, visit: Open, shell: Shell, gate: Gate, started: Path
) -> None:
    """The list shows each change of the session, and its page each event of the run."""
    opened = visit(own, permissions=["clipboard-read", "clipboard-write"])
    page = opened.enter("#/sessions")
    expect(page.get_by_test_id("empty")).to_be_visible()
    session_id, _ = start_detached(shell, "port-the-parser", started, gate)
    line = page.get_by_test_id("session-row").filter(has_text="port-the-parser")
    expect(line.get_by_test_id("state")).to_contain_text("running")
    line.get_by_role("link", name="port-the-parser").click()
    page.wait_for_url(f"**/#/sessions/{session_id}")
    expect(page.get_by_test_id("gist").get_by_test_id("state")).to_contain_text("running")
    expect(page.get_by_test_id("message").first).to_contain_text("hi")
    gate.open("the answer")
    expect(page.get_by_test_id("message").last).to_contain_text("the answer")
    expect(page.get_by_test_id("run-end")).to_be_visible()
    expect(page.get_by_test_id("gist").get_by_test_id("state")).to_contain_text("finished")
    page.get_by_role("button", name="Copy result").click()
    wait_for(
        lambda: page.evaluate("() => navigator.clipboard.readText()").strip() == "the answer",
        "the result is copied",
    )
    page.get_by_role("button", name="Resume").click()
    shown = page.get_by_role("menuitem", name="Copy the command")
    expect(shown).to_contain_text(f"cd {shell.directory} && ao-resume port-the-parser")
    opened.go("#/sessions")
    expect(line.get_by_test_id("state")).to_contain_text("finished")
    shell.run("ao-rename", "port-the-parser", "parser")
    expect(page.get_by_test_id("session-row").get_by_role("link", name="parser")).to_be_visible()
    expect(line).to_have_count(0)
    shell.run("ao-clean", "parser", "--yes")
    expect(page.get_by_test_id("session-row")).to_have_count(0)


def test_stop_from_the_page_ends_the_agent(
    own: RunningManager, visit: Open, shell: Shell, api: Api, gate: Gate, started: Path
) -> None:
    """The turn of a person cannot be stopped from the page."""
    session_id, pid = start_detached(shell, "x", started, gate)
    opened = visit(own)
    page = opened.enter("#/sessions/" + session_id)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stop run 1").click()
    wait_for(lambda: not is_alive(pid), "the agent has ended")
    expect(page.get_by_test_id("gist").get_by_test_id("state")).to_contain_text("stopped")

    part = {"begins": True, "executor": "claude", "reason": "unknown"}
    lease = {"holder": "claude,\u202e pid 7"}
    api.post("/sessions/by-hand/history", {**part, "lease": lease, "events": []})
    opened.go("#/sessions/by-hand")
    expect(page.get_by_test_id("gist")).to_contain_text("claude,⟨RLO⟩ pid 7")
    expect(page.get_by_role("button", name="Tell…")).to_have_count(0)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    ended = {**part, "begins": False, "reason": "completed"}
    api.post("/sessions/by-hand/history", ended)
    expect(page.get_by_test_id("gist").get_by_test_id("state")).to_contain_text("finished")


def test_reload_during_a_run_loses_no_event(
    own: RunningManager, visit: Open, shell: Shell, api: Api
) -> None:
    program = [sys.executable, "-c", PRINTING, str(LINES)]
    ended = shell.run("ao-new", "x", "--detach", "--executor", "command", "--", *program)
    session_id = ended.stdout.strip()
    page = visit(own).enter("#/sessions/" + session_id)
    expect(page.get_by_test_id("event-row").nth(3)).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("message").last).to_contain_text("all printed", timeout=LOAD_MS)
    expect(page.get_by_test_id("run-end")).to_be_visible()
    events = api.get(f"/sessions/{session_id}/events?limit=1000").json["events"]
    seen: set[int] = set()
    timeline = page.get_by_test_id("timeline")
    timeline.evaluate("element => { element.scrollTop = 0 }")
    while True:
        rows = seqs_seen(page)
        seen.update(rows)
        at_end = timeline.evaluate(
            "e => { const before = e.scrollTop; e.scrollTop += 300; return e.scrollTop === before }"
        )
        page.wait_for_function(
            "() => !document.querySelector('[data-testid=event-row][aria-busy=true]')"
        )
        if at_end:
            break
    assert seen == {event["seq"] for event in events if "continues" not in event}


def test_page_reconnects_after_a_restart_of_the_manager(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "s")
    append(api, "s", says("before"))
    opened = visit(own)
    page = opened.enter("#/sessions/s")
    connection = page.get_by_test_id("connection")
    expect(page.get_by_test_id("message")).to_contain_text(["before"])
    expect(connection).to_have_text("Live")
    own.kill()
    expect(connection).not_to_have_text("Live", timeout=LOAD_MS)
    own.restart()
    with Api(own) as back:
        # The page token is invalid after the restart. Another tab signs in and shares its token.
        code = back.post("/dashboard/codes", {}).json["code"]
        opened.context.new_page().goto(f"{own.url}/#code={code}")
        append(back, "s", says("after"))
        expect(page.get_by_test_id("message")).to_contain_text(["before", "after"], timeout=LOAD_MS)
        expect(connection).to_have_text("Live", timeout=LOAD_MS)
        back.delete("/sessions/s")
    expect(page.get_by_test_id("empty")).to_be_visible()
