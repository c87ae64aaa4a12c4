"""The lines of the board fit every terminal, and control none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agent_orchestrator.board.state.board import Board
from agent_orchestrator.board.state.keys import Keys
from agent_orchestrator.board.view.line import width_of
from agent_orchestrator.board.view.screen import screen_lines
from tests.commands.terminal import TERMINAL_CONTROLS
from tests.support.rows import each_row
from tests.unit.agent_orchestrator.board.board_sessions import PERMISSION, board_of, item, session

NOW = datetime(2026, 11, 28, 10, 0, 0, tzinfo=UTC)
HOSTILE = "a\x1b[2Jb\x9b1mc\u202ed\u2066e\x07f\rg\nh\ti 日本語 👩\u200d💻 " + "long " * 9
SIZES = ((200, 50), (80, 24), (60, 20), (20, 10), (7, 5), (2, 3))


def hostile_board(kind: str | None, asked: dict[str, Any] | None = None) -> Board:
    paths = {"project_dir": f"/p/{HOSTILE}", "agent_name": HOSTILE, "host": HOSTILE}
    first = session("x", kind, HOSTILE, prompt=HOSTILE, outcome=HOSTILE, **paths)
    others = [session(f"s{number}", "done", HOSTILE, session_name=HOSTILE) for number in range(30)]
    board = board_of({**first, "session_name": HOSTILE}, *others, asked=asked)
    board.calls["x-id"] = board.results["x-id", 2] = board.outage = HOSTILE
    return board


def hostile_permission() -> dict[str, Any]:
    given: Any = PERMISSION["choices"]
    choices = [{**choice, "label": HOSTILE} for choice in given]
    return {**PERMISSION, "title": HOSTILE, "why": HOSTILE, "diff": HOSTILE, "choices": choices}


def hostile_items() -> dict[str, Any]:
    options = [{"label": HOSTILE, "description": HOSTILE}] * 3
    return {"items": [item(text=HOSTILE, options=options, multiple=True)]}


def screens() -> Iterator[tuple[Board, str]]:
    """Yield boards with keys that lead to each of their screens."""
    for keys in ("", " ", "t", "s", "/", "?", "jjj ", "G "):
        yield hostile_board(None), keys
    for keys in ("", " ", "r", "m"):
        yield hostile_board("failed"), keys
    for keys in (" ", "a2", "a3"):
        yield hostile_board("asks", hostile_permission()), keys
    yield hostile_board("asks", hostile_items()), "a"
    yield Board(), ""


@each_row("width, height", SIZES)
def test_lines_fit_the_terminal_and_do_not_control_it(width: int, height: int) -> None:
    for board, pressed in screens():
        keys = Keys(board)
        for key in pressed:
            keys.press({" ": "space"}.get(key, key))
        lines = screen_lines(keys, width, height, NOW)
        text = "\n".join("".join(piece for _, piece in line) for line in lines)
        assert len(lines) == height, (pressed, text)
        assert max(map(width_of, lines)) <= width, (pressed, text)
        assert TERMINAL_CONTROLS.findall(text) == [], (pressed, text)
        if height > 5 and width > 60:  # room for the last line of keys
            assert any(look == "key" for look, _ in lines[-1]), (pressed, text)


def test_question_is_shown_whole_line_by_line() -> None:
    """Scrolling shows every line, and the choices stay on the screen."""
    words = [f"word-{number}" for number in range(300)]
    asked = {**PERMISSION, "tool_input": {"command": " ".join(words)}}
    keys = Keys(board_of(session("x", "asks"), asked=asked))
    keys.press("space")
    seen = ""
    for _ in range(90):
        lines = ["".join(text for _, text in line) for line in screen_lines(keys, 60, 16, NOW)]
        assert " 1  Allow" in "\n".join(lines)
        seen += "\n".join(line for line in lines if "more lines" not in line)
        keys.press("pagedown")
    assert [word for word in words if word not in seen] == []
