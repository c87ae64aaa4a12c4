"""The outputs of commands on screens of several widths and kinds, and in a file.

`python -m tests.unit.agent_orchestrator.console.test_snapshots` records them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.board.feed import outage_words
from agent_orchestrator.board.state.keys import Keys
from agent_orchestrator.board.view.line import LOOKS
from agent_orchestrator.board.view.screen import screen_lines
from agent_orchestrator.cli import doctor
from agent_orchestrator.cli.ao import main as ao
from agent_orchestrator.console.events.look import MAX_LINES, Look
from agent_orchestrator.console.events.question_text import how_to_answer, question_lines
from agent_orchestrator.console.events.text import EventText, by_parent
from agent_orchestrator.console.runs import next_steps
from agent_orchestrator.console.tables import agents as agent_table
from agent_orchestrator.console.tables import search_hits
from agent_orchestrator.console.tables import sessions as session_table
from agent_orchestrator.console.tables import usage as usage_table
from agent_orchestrator.console.terminal.cells import cells_of
from agent_orchestrator.console.terminal.output import exact_line
from agent_orchestrator.console.terminal.screen import Screen
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.sessions.question_words import payload_words
from agent_orchestrator.upkeep.checks import Finding
from tests.commands.terminal import OUR_OWN
from tests.support.rows import each_row
from tests.unit.agent_orchestrator.board.board_sessions import PERMISSION, board_of
from tests.unit.agent_orchestrator.board.board_sessions import session as board_session

HERE = Path(__file__)
SNAPSHOTS = HERE.parent / "snapshots"
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


BOARD = (
    board_session("clean-db", "asks", "Run rm", usage={}),
    board_session("port-parser", "failed", "no valid login: run claude, then /login"),
    board_session(
        "dflt", "denied", "Edit src/login.py", denied_calls=2, project_dir="/home/me/api"
    ),
    board_session("slow", "quiet", "Bash: make"),
    board_session("日本語のとても長いセッション名です", "question", "続けますか？"),
    board_session("a-run", children_failed=1, children_running=2, child_count=3),
    board_session("words", executor="command", usage={}),
    board_session("fix-login", "done", "Logout now rotates the session\x1b[2J id.\u202e👩‍💻"),
)


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
    """Yield the table of `ao-usage`."""
    kinds = ("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens")
    counts = dict.fromkeys(kinds, 1_234_567)
    cents = {"cost_nanodollars": 10**9, "unpriced_tokens": 0}
    prices = {"oldest_prices": "2026-11-01", "newest_prices": "2026-11-20"}
    row = {"requests": 12, "usage": {**counts, **cents}, "table_cost_nanodollars": 6 * 10**8}
    row |= {"agent_cost_nanodollars": 4 * 10**8, **prices}
    rows = [("/home/me/a/very/long/path/of/a/project", row), ("TOTAL", row)]
    yield from usage_table.lines(rows, title="PROJECT", screen=screen)


def hit(seq: int, kind: str, tool: str | None, text: str, *, of: str = "fix-login") -> Any:
    matched = text.index("sha256")
    return {
        **{"session_id": f"{of}-0000-0000", "session_name": of, "project_dir": "/home/me/shop"},
        **{"seq": seq, "kind": kind, "tool_name": tool, "occurred_at": "2026-11-28T09:47:57Z"},
        "snippet": {
            "text": text,
            "ranges": [{"start": matched, "end": matched + len("sha256")}],
            "is_beginning": seq != 12,
            "is_end": seq != 12,
        },
    }


def found(screen: Screen) -> Iterator[str]:
    said = "the digest used md5; it is now sha256 with a salt of its own for each user, and the "
    hits = [
        hit(12, "message", None, said + "test of the login passes again, in 0.3 seconds instead"),
        hit(107, "tool_input", "Edit", "hashlib.sha256"),
        hit(3, "tool_output", "Bash", "日本語の文と sha256 の値", of="日本語"),
    ]
    yield from search_hits.lines(hits, screen, UTC)


def defined(screen: Screen) -> Iterator[str]:
    about = (
        "Reviews a change: its tests, its names and its words, and says what it would leave out."
    )
    agents = [
        Agent(name="reviewer", source=HERE, description=about, model="claude-opus-5-5"),
        Agent(name="レビュー", source=HERE, description="変更を見ます。", executor="codex"),
        Agent(name="plain", source=HERE),
    ]
    yield from agent_table.lines(agents, screen)


def examined(screen: Screen) -> Iterator[str]:
    del screen
    yield from doctor.lines([
        Finding(about="manager", text="version 1.2.3 at http://127.0.0.1:8765"),
        Finding(about="executor codex", text="codex is not installed", advice="npm install "
                "--global @openai/codex, then codex login", matters=False),
        Finding(about="outbox", text="3 events were refused by the manager: session 'fix-login' "
                "was deleted", advice="ao-doctor --fix"),
    ])  # fmt: skip


CHOICES = [{"id": kind, "kind": kind, "label": kind} for kind in ("allow", "allow_for_run", "deny")]
ITEM: dict[str, Any] = {
    "id": "1",
    "text": "Which database?",
    "free": True,
    "options": [{"label": "Postgres"}],
}
QUESTIONS: list[dict[str, Any]] = [
    {"title": "Run rm", "why": "it removes files", "cwd": "/home/me/shop", "choices": CHOICES,
     "tool_input": {"command": "rm -rf db\x1b[2J\u200b", "timeout": 3}},
    {"title": "A question", "items": [ITEM]},
]  # fmt: skip


def asked(screen: Screen) -> Iterator[str]:
    """Yield the questions of `ao-status` and `ao-wait`, which are whole on every screen."""
    del screen
    for question in QUESTIONS:
        shown = {"question_id": "3f2a9c41-0000", **question}
        for line in (*question_lines(shown), *how_to_answer(shown, "clean db")):
            yield exact_line(line)
    choice = payload_words({"choice": "allow_for_run"}, QUESTIONS[0])
    answer = payload_words({"answers": {"1": ["Postgres"]}}, QUESTIONS[1])
    yield f"answered clean db: {choice}"
    yield f"answered clean db: {answer}"


def ended(screen: Screen) -> Iterator[str]:
    """Yield the last lines of `ao-new` and `ao-resume`."""
    files = next_steps.ChangedFiles()
    for end in (SESSIONS[2], SESSIONS[3]):
        known = next_steps.facts({}, end, files)
        yield from next_steps.end_lines(end, known, screen)
        files.paths |= {"a.py", "b.py"}
    yield from next_steps.detached_lines(SESSIONS[1], screen)


def helped(screen: Screen) -> Iterator[str]:
    width = screen.width or 80
    yield from CliRunner().invoke(ao, [], prog_name="ao", terminal_width=width).output.splitlines()


def board(screen: Screen) -> Iterator[str]:
    """Yield the board with a question, then with a seen row, an error and an outage."""
    if not screen.can_redraw or screen.width is None:
        return
    keys = Keys(board_of(*BOARD, asked=PERMISSION))
    keys.board.today, keys.board.calls["a-run-id"] = "$1.41", "Bash: sleep 12; echo chapter 37"
    keys.press("space")
    yield from drawn(keys, screen, 24)
    keys.press("3")
    yield from drawn(keys, screen, 12)
    keys.cancel()
    for key in ("escape", "j", "m"):
        keys.press(key)
    keys.board.learn({**BOARD[1], "attention": None})
    keys.refuse("the session has just ended")
    keys.board.outage = outage_words(SessionClientError("GET /sessions: connection refused"))
    yield from drawn(keys, screen, 20)


def drawn(keys: Keys, screen: Screen, height: int) -> Iterator[str]:
    assert screen.width is not None
    for line in screen_lines(keys, screen.width, height, NOW):
        yield "".join(screen.styled(text, **LOOKS[look]) for look, text in line if text).rstrip()
    yield "-" * screen.width


OUTPUTS: dict[str, Callable[[Screen], Iterator[str]]] = {
    "ao": helped,
    "board": board,
    "list": listed,
    "logs": logged,
    "usage": used,
    "search": found,
    "agents": defined,
    "doctor": examined,
    "questions": asked,
    "end of a run": ended,
}


def snapshot(name: str) -> str:
    """Return an output on every screen, with escape sequences that can be read."""
    kinds: dict[str, list[str]] = {}
    for kind, screen in SCREENS.items():
        text = "\n".join(line.replace("\x1b", "␛") for line in OUTPUTS[name](screen))
        kinds.setdefault(text, []).append(kind)
    return "".join(f"=== {'; '.join(same)}\n{text}\n" for text, same in kinds.items())


@each_row("name", [*OUTPUTS])
def test_output_is_as_recorded(name: str) -> None:
    assert snapshot(name) == (SNAPSHOTS / f"{name.replace(' ', '-')}.txt").read_text("utf-8")


@each_row("name", ["board", "list", "usage", "search", "agents", "end of a run"])
def test_output_fits_the_screen(name: str) -> None:
    for screen in SCREENS.values():
        lines = [*OUTPUTS[name](screen)]
        fitting = lines[: lines.index("")] if "" in lines else lines
        if screen.width is not None:
            widths = [cells_of(OUR_OWN.sub("", line)) for line in fitting]
            assert max(widths, default=0) <= screen.width


if __name__ == "__main__":
    for name in OUTPUTS:
        (SNAPSHOTS / f"{name.replace(' ', '-')}.txt").write_text(snapshot(name), "utf-8")
