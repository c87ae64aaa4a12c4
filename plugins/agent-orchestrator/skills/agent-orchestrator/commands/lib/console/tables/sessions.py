"""Sessions as a table: for a terminal cut to its width, otherwise with whole names and ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ...sessions.resolve import Session, state_of
from ..terminal.amounts import duration, money
from ..terminal.cells import cells_of, cut
from ..terminal.output import ago, one_line, short_id
from ..terminal.screen import Screen

Row = dict[str, str]
Looks = Mapping[str, Callable[[str], str]]
"""Functions that style the text of a column."""

COLUMNS = ("NAME", "STATE", "WHAT", "WHEN", "TOOK", "COST")
WIDE = ("NAME", "STATE", "AGENT", "WHAT", "WHEN", "TOOK", "COST", "PROJECT", "ID")
PLAIN = ("NAME", "STATE", "AGENT", "LAST ACTIVITY", "PROJECT", "ID")
"""Columns for a file or a pipe, on which scripts rely."""
_COLOURS = {"running": "cyan", "waiting": "yellow", "finished": "green", "stopped": "yellow"}
_GAP = "  "
_ARROW = " → "
_MAX_NAME = 24
_MIN_NAME = 16
_MIN_WHAT = 20
_RIGHT = ("WHEN", "TOOK", "COST")


def lines(
    listed: Sequence[tuple[Session, int]],
    screen: Screen,
    *,
    is_wide: bool = False,
    now: datetime | None = None,
) -> Iterator[str]:
    """Yield a header and a line for each session with its depth in the tree."""
    rows = [row_of(session, depth, now or datetime.now(UTC)) for session, depth in listed]
    names = [row["NAME"] for row in rows]
    columns = _columns(screen, is_wide=is_wide, has_twins=len({*names}) < len(names))
    if columns is PLAIN:
        rows = [
            {**row, "ID": session["session_id"]}
            for row, (session, _) in zip(rows, listed, strict=True)
        ]
    header = {column: column for column in columns}
    widths = {column: max(cells_of(row[column]) for row in (header, *rows)) for column in columns}
    if screen.width is not None and not is_wide:
        widths = _fitted(widths, screen.width)
        for row, (session, _) in zip(rows, listed, strict=True):
            row["WHAT"] = what(session, widths["WHAT"])
    yield screen.styled(_line(header, widths, {}), bold=True)
    for row, (session, _) in zip(rows, listed, strict=True):
        looks: Looks = {
            "NAME": partial(screen.session, session_id=session["session_id"]),
            "STATE": partial(screen.styled, fg=_COLOURS.get(row["STATE"], "red")),
        }
        yield _line(row, widths, looks)


def row_of(session: Session, depth: int, now: datetime) -> Row:
    """Return the cells of a session."""
    took = took_seconds(session, now)
    return {
        "NAME": "└ " * depth + one_line(session["session_name"]),
        "STATE": state_of(session),
        "AGENT": one_line(session["agent_name"] or session["executor"] or ""),
        "WHAT": what(session),
        "WHEN": ago(session["last_activity_at"], now=now),
        "LAST ACTIVITY": ago(session["last_activity_at"], now=now),
        "TOOK": "" if took is None else duration(took),
        "COST": cost(session),
        "PROJECT": one_line(session["project_dir"] or ""),
        "ID": short_id(session["session_id"]),
    }


def what(session: Session, width: int | None = None) -> str:
    """Return the subject of a session, then its outcome or the thing that it waits for.

    With a width, a long subject is cut, so that at least half of the cells are for the outcome.
    """
    about = one_line(session.get("title") or session.get("prompt") or "")
    attention: dict[str, Any] = session.get("attention") or {}
    text = attention.get("text") or ""
    if session["status"] == "running":
        end = {"asks": f"asks: {text}", "quiet": f"quiet in {text}"}.get(attention.get("kind", ""))
    elif attention.get("kind") == "denied":
        end = f"denied: {text}"
    else:
        end = session.get("outcome")
    end = one_line(end or "")
    if width is not None and end:
        about = cut(about, max(width // 2, width - cells_of(_ARROW) - cells_of(end)))
    return _ARROW.join(part for part in (about, end) if part)


def took_seconds(session: Session, now: datetime) -> float | None:
    """Return the time of all runs, also of one that is open; None if it is not known."""
    ended = session.get("took_seconds")
    if not isinstance(ended, int | float):
        return None
    if session["finished_at"] is not None:
        return ended
    try:
        begin = datetime.fromisoformat(session["started_at"])
    except (TypeError, ValueError):
        return None
    return ended + (now - begin).total_seconds()


def cost(session: Session) -> str:
    is_running = session["status"] == "running" and session["executor"] != "command"
    return money(session.get("usage") or {}, is_counting=is_running)


def _columns(screen: Screen, *, is_wide: bool, has_twins: bool) -> Sequence[str]:
    if is_wide:
        return WIDE
    if not screen.is_terminal:
        return PLAIN
    return (*COLUMNS, "ID") if has_twins else COLUMNS


def _fitted(widths: dict[str, int], width: int) -> dict[str, int]:
    """Return widths of columns that fit.

    A narrow screen does without TOOK and COST, then has shorter names, then does without WHEN.
    """
    fitted = {**widths, "NAME": min(widths["NAME"], _MAX_NAME)}
    wanted = min(_MIN_WHAT, widths["WHAT"])

    def left() -> int:
        return width - sum(fitted.values()) - len(_GAP) * (len(fitted) - 1) + fitted["WHAT"]

    for column in ("TOOK", "COST"):
        if left() < wanted:
            del fitted[column]
    missing = max(0, wanted - left())
    fitted["NAME"] = min(fitted["NAME"], max(_MIN_NAME, fitted["NAME"] - missing))
    if left() < wanted:
        del fitted["WHEN"]
    fitted["WHAT"] = max(min(left(), widths["WHAT"]), len("WHAT"))
    return fitted


def _line(row: Row, widths: dict[str, int], looks: Looks) -> str:
    cells = []
    for column, width in widths.items():
        text = cut(row[column], width)
        space = " " * (width - cells_of(text))
        shown = looks[column](text) if column in looks else text
        cells.append(space + shown if column in _RIGHT else shown + space)
    return _GAP.join(cells).rstrip()
