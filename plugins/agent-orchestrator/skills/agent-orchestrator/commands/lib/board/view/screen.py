"""The lines of the board, for a terminal of any size."""

from __future__ import annotations

from datetime import datetime

from ...console.terminal.cells import cells_of
from ..state.board import Board
from ..state.groups import Place
from ..state.keys import Keys
from ..state.mode import Asking, Help, Typing
from .key_line import HELP, key_line
from .line import Line, broken, cut_line, filled, shown
from .peek import choice_lines, peek_lines
from .row import Row, row_of
from .table import line_of, widths_of

_MOST_NOTE_LINES = 6
_MEASURED_ROWS = 100
"""Rows above and below the screen that the columns fit, so that scrolling moves no column."""


def screen_lines(keys: Keys, width: int, height: int, now: datetime) -> list[Line]:
    """Return as many lines as the terminal has. A text is typed into the line before the last."""
    board = keys.board
    foot = [*_note_lines(keys, width), key_line(keys, width)]
    if isinstance(keys.mode, Typing):
        foot[-1:-1] = [[("head", typing_label(keys.mode, width))]]
    foot = foot[-max(height - 2, 1) :]
    room = max(height - 1 - len(foot), 0)
    if isinstance(keys.mode, Help):
        body = [[("key", f" {key:<11}"), ("", does)] for key, does in HELP]
    else:
        peek = _peek_lines(board, width, room) if board.is_peeking else []
        body = [*_list_lines(board, width, max(room - len(peek), 1), now), *peek]
    blank: list[Line] = [[] for _ in range(room - len(body))]
    lines = [_head(board, width), *body[:room], *blank, *foot]
    return [cut_line(line, width) for line in lines]


def typing_label(typing: Typing, width: int) -> str:
    """Return what the person is asked for; the text has a third of the line at least."""
    label = shown(typing.label)
    return cut_line([("", f" {label}")], width * 2 // 3)[0][1] + ": "


def _head(board: Board, width: int) -> Line:
    groups = board.groups
    counts = {
        "NEEDS YOU": len([place for place in groups.needs if not place.is_seen]),
        "RUNNING": groups.open_runs,
        "DONE": len([place for place in groups.done if not place.is_seen]),
    }
    left: Line = []
    for title, count in counts.items():
        look = "asks" if title == "NEEDS YOU" and count else "head"
        left += [("", "  " if left else ""), (look, f" {title} {count:,}")]
    if board.is_cut:
        left.append(("quiet", " and more"))
    return filled(left, [("", f"today {board.today} ")] if board.today else [], width)


def _list_lines(board: Board, width: int, height: int, now: datetime) -> list[Line]:
    """Return the rows around the chosen one, with an empty line between groups."""
    places: list[Place | None] = []
    for group in filter(None, board.shown_groups):
        places += [None, *group] if places else group
    if not places:
        return _empty(board)[:height]
    chosen = board.chosen
    at = next((i for i, place in enumerate(places) if place and place is chosen), 0)
    top = max(0, min(at - height // 2, len(places) - height))
    first = max(0, top - _MEASURED_ROWS)
    near = places[first : top + height + _MEASURED_ROWS]
    rows = [place and _row(board, place, now) for place in near]
    widths = widths_of([row for row in rows if row], width)
    return [
        line_of(row, widths, is_chosen=row.session_id == board.chosen_id) if row else []
        for row in rows[top - first : top - first + height]
    ]


def _row(board: Board, place: Place, now: datetime) -> Row:
    session_id = place.session["session_id"]
    questions = board.questions.get(session_id, ())
    return row_of(place, questions, board.calls.get(session_id), now)


def _empty(board: Board) -> list[Line]:
    if not board.is_loaded:
        return [[("quiet", " Reading the sessions…")]]
    if board.filter:
        return [[("", " No row has this text.")]]
    return [
        [("", " Nothing needs you. Nothing runs.")],
        [],
        [("quiet", " Start an agent in another terminal, and it appears here:")],
        [("", "   ao new NAME -p 'What the agent is to do.'")],
    ]


def _peek_lines(board: Board, width: int, room: int) -> list[Line]:
    """Return the look into the chosen session, below its name, with a half of the room at most.

    A question has more room, since a person decides by it.
    """
    place = board.chosen
    if place is None:
        return []
    lines = [*peek_lines(board, place, width - 2)] or [[("quiet", "There is no text yet.")]]
    choices = [*choice_lines(board, width - 2)]
    most = max((room - 3 if board.answering else room // 2) - 1 - len(choices), 1)
    board.peek_step = max(most - 1, 1)
    board.peek_top = max(0, min(board.peek_top, len(lines) - most))
    part = lines[board.peek_top : board.peek_top + most]
    left = len(lines) - board.peek_top - most
    if left > 0:
        part[-1] = [("quiet", f"… {left + 1:,} more lines: PgDn")]
    name = f"── {shown(place.session['session_name'])} "
    title: Line = [("quiet", name + "─" * max(width - cells_of(name), 0))]
    return [title, *([("", " "), *line] for line in (*part, *choices))]


def _note_lines(keys: Keys, width: int) -> list[Line]:
    """Return the lines above the keys: an outage, and what the last key did or asks."""
    board, lines = keys.board, []
    if board.outage:
        lines.append(("error", board.outage))
    if isinstance(keys.mode, Asking):
        lines.append(("asks", keys.mode.label))
    elif keys.note:
        lines.append(("error" if keys.is_error else "", keys.note))
    elif board.filter and not isinstance(keys.mode, Typing):
        lines.append(("quiet", f"filter: {board.filter} (Escape removes it)"))
    return [
        [(look, f" {part}")]
        for look, text in lines
        for part in [*broken(shown(text), max(width - 2, 1))][:_MOST_NOTE_LINES]
    ]
