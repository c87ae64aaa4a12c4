"""The outputs of commands on screens of several widths and kinds, and in a file.

`python -m tests.unit.agent_orchestrator.console.test_snapshots` records them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from agent_orchestrator.cli.ao import main as ao
from agent_orchestrator.console import session_table, usage_table
from agent_orchestrator.console.cells import cells_of
from agent_orchestrator.console.event_look import MAX_LINES, Look
from agent_orchestrator.console.event_text import EventText, by_parent
from agent_orchestrator.console.screen import Screen
from tests.commands.terminal import OUR_OWN
from tests.support.rows import each_row

SNAPSHOTS = Path(__file__).parent / "snapshots"
NOW = datetime(2026, 11, 28, 10, 0, 0, tzinfo=UTC)
SCREENS = {
    "60 columns": Screen(width=60, has_colours=True, can_redraw=True),
    "80 columns": Screen(width=80, has_colours=True, can_redraw=True, page="http://127.0.0.1:1"),
    "200 columns": Screen(width=200, has_colours=True, can_redraw=True),
    "80 columns, NO_COLOR": Screen(width=80, can_redraw=True, page="http://127.0.0.1:1"),
    "80 columns, TERM=dumb": Screen(width=80),
    "a file": Screen(),
}


def session(name: str, prompt: str, reason: str | None = "completed", **fields: Any) -> Any:
    usage = {"input_tokens": 5, "cost_nanodollars": 70_000_000, "unpriced_tokens": 0}
    return {
        "session_id": f"{name}-0000-0000",
        "session_name": name,
        "status": "running" if reason is None else "finished",
        "reason": reason,
        "run": 1,
        "agent_name": None,
        "executor": "claude",
        "project_dir": "/home/me/shop",
        "started_at": "2026-11-28T09:47:57+00:00",
        "finished_at": None if reason is None else "2026-11-28T09:48:00.100000+00:00",
        "took_seconds": 0 if reason is None else 3.1,
        "last_activity_at": "2026-11-28T09:48:00.100000+00:00",
        "prompt": prompt,
        "usage": usage,
        **fields,
    }


ASKS = {"kind": "asks", "text": "staging or production?"}
DENIED = {"kind": "denied", "text": "Edit src/login.py"}
SESSIONS = [
    session("clean-db", "Clean the database", None, waiting_questions=1, attention=ASKS),
    session("a-run", "Count the words of chapter 37", None, usage={}),
    session("fix-login", "Fix the login test.", outcome="Logout now rotates the session id."),
    session(
        "port",
        "Port the parser",
        "failed",
        outcome="no valid login: run claude",
        run=2,
        took_seconds=None,
    ),
    session("日本語のとても長いセッション名です", "テストを書いて", outcome="できました。"),
    session("a-name-that-is-longer-than-its-column", "Hi.", "stopped", attention=DENIED),
    session("words", "one two", executor="command", usage={}, outcome="2", took_seconds=3907),
    session("costly", "", "lost", title="A title", usage={"unpriced_tokens": 5}),
    session("cheap", "Say hi.", "timeout", usage={"cost_nanodollars": 1, "unpriced_tokens": 0}),
]


def listed(screen: Screen) -> Iterator[str]:
    yield from session_table.lines([(each, 0) for each in SESSIONS], screen, now=NOW)
    yield ""
    twins = [(SESSIONS[2], 0), (session("fix-login", "Again."), 1)]
    yield from session_table.lines(twins, screen, now=NOW)
    yield ""
    yield from session_table.lines(twins, screen, is_wide=True, now=NOW)


def event(seq: int, event_type: str, **fields: Any) -> dict[str, Any]:
    moment = f"2026-11-{27 + (seq > 3)}T10:00:{seq:02}.000000Z"
    return {"seq": seq, "recorded_at": moment, "event_type": event_type, **fields}


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


EDITS = [{"old_string": "a\nb", "new_string": "a\nc"}, {"old_string": "", "new_string": "new"}]
EVENTS = [
    event(1, "message", role="user", content=text("Fix it.\nSoon.")),
    event(2, "thinking", content=text("Hm.")),
    event(3, "pre_tool", tool_use_id="a", tool_name="Bash", tool_input={"command": "seq 40"}),
    event(4, "post_tool", tool_use_id="a", tool_name="Bash", tool_output="x\n" * 40),
    event(5, "pre_tool", tool_name="MultiEdit", tool_input={"file_path": "a", "edits": EDITS}),
    event(6, "post_tool", tool_name="MultiEdit", error="it was changed"),
    event(7, "pre_tool", tool_name="Write", tool_input={"file_path": "b", "content": "y\nz"}),
    event(8, "permission_denied", tool_name="Write"),
    event(9, "pre_tool", tool_name="patch", tool_input={"changes": [{"path": "c", "diff": "+q"}]}),
    event(10, "pre_tool", tool_use_id="s", tool_name="Agent", tool_input={"subagent_type": "Look"}),
    event(11, "message", parent_tool_use_id="s", role="assistant", content=text("Seen.")),
    event(12, "post_tool", tool_use_id="s", tool_name="Agent", tool_output="Seen."),
    event(13, "post_tool", tool_name="See", tool_output=[{"type": "image", "mimeType": "image/x"}]),
    event(14, "message", role="assistant", content=text("Done.")),
    event(15, "usage", usage={"input_tokens": 5, "output_tokens": 7, "cost_microdollars": 70_000}),
    event(16, "session_stop", reason="completed", exit_code=0),
    event(17, "session_stop", reason="failed", error="no valid login"),
]


def logged(screen: Screen) -> Iterator[str]:
    shown = EventText(UTC, marked=14, look=Look(screen=screen, max_lines=MAX_LINES))
    for each in by_parent(EVENTS):
        yield from shown.text(each).splitlines()
    program = EventText(UTC, look=Look(screen=screen, max_lines=MAX_LINES).of_session(True))
    yield from program.text(event(1, "message", role="assistant", content=text("x\n" * 40))).split(
        "\n"
    )


def used(screen: Screen) -> Iterator[str]:
    kinds = ("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens")
    counts = dict.fromkeys(kinds, 1_234_567)
    row = {"requests": 12, "usage": {**counts, "cost_nanodollars": 10**9, "unpriced_tokens": 0}}
    rows = [("/home/me/a/very/long/path/of/a/project", row), ("TOTAL", row)]
    yield from usage_table.lines(rows, title="PROJECT", width=screen.width)


def helped(screen: Screen) -> Iterator[str]:
    width = screen.width or 80
    yield from CliRunner().invoke(ao, [], prog_name="ao", terminal_width=width).output.splitlines()


OUTPUTS: dict[str, Callable[[Screen], Iterator[str]]] = {
    "ao": helped,
    "list": listed,
    "logs": logged,
    "usage": used,
}


def snapshot(name: str) -> str:
    """Return an output on every screen, with escape sequences that can be read."""
    parts = []
    for kind, screen in SCREENS.items():
        lines = [line.replace("\x1b", "␛") for line in OUTPUTS[name](screen)]
        parts.append("\n".join((f"=== {kind}", *lines)))
    return "\n".join(parts) + "\n"


@each_row("name", [*OUTPUTS])
def test_output_is_as_recorded(name: str) -> None:
    assert snapshot(name) == (SNAPSHOTS / f"{name}.txt").read_text("utf-8")


@each_row("name", ["list", "usage"])
def test_table_fits_the_screen(name: str) -> None:
    for screen in SCREENS.values():
        lines = [*OUTPUTS[name](screen)]
        fitting = lines[: lines.index("")] if "" in lines else lines
        if screen.width is not None and (name == "list" or screen.width >= 80):
            assert max(cells_of(OUR_OWN.sub("", line)) for line in fitting) <= screen.width
        assert screen.has_colours or not any("\x1b" in line for line in lines)


if __name__ == "__main__":
    for name in OUTPUTS:
        (SNAPSHOTS / f"{name}.txt").write_text(snapshot(name), "utf-8")
