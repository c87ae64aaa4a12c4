"""A list of sessions that is kept current: redrawn on a terminal, otherwise a line per change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import click

from ...client.follow import follow_list
from ...client.frames import Frame
from ...client.manager import ManagerClient
from ...sessions.listing import Listing
from ...sessions.resolve import Session, state_of
from ..terminal.output import one_line, tell_outage
from .sessions import what

_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"
_OWN_SCREEN, _LAST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"

Draw = Callable[[Sequence[Session]], list[str]]
"""Returns the lines of a table."""


def redraw(manager: ManagerClient, listing: Listing, draw: Draw) -> None:
    """Draw the list on the terminal's own screen, again after each change, until Ctrl-C."""
    click.echo(_OWN_SCREEN, nl=False)
    try:
        with closing(follow_list(manager, on_outage=tell_outage)) as frames:
            known = 0
            for frame in frames:
                if frame.name != "ready" and _position(frame.cursor) <= known:
                    continue  # it was read with a later change
                known = max(_position(_head(manager)), _position(frame.cursor))
                _show(manager, listing, draw)
    except KeyboardInterrupt:
        pass
    finally:
        click.echo(_LAST_SCREEN, nl=False)


def _show(manager: ManagerClient, listing: Listing, draw: Draw) -> None:
    most = max(shutil.get_terminal_size().lines - 2, 1)
    shown = replace(listing, limit=min(listing.limit or most, most))
    lines = draw([*shown.read(manager)]) or ["no sessions"]
    text = "".join(f"{line}{_TO_END_OF_LINE}\n" for line in lines)
    click.echo(_HOME + text + _TO_END, nl=False)


def _head(manager: ManagerClient) -> str | None:
    """Return the cursor of the newest change. Read before the list, it is not too new."""
    cursor = manager._request("GET", "/sessions?limit=1").get("cursor")
    return cursor if isinstance(cursor, str) else None


def _position(cursor: str | None) -> int:
    number = (cursor or "").rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def print_changes(manager: ManagerClient, listing: Listing, *, as_json: bool) -> None:
    """Print a line for each session of the list, and for each change of one, until Ctrl-C."""
    printed: dict[str, str] = {}

    def show(session: Session) -> None:
        line = _line(session)
        if printed.get(session["session_id"]) != line:
            printed[session["session_id"]] = line
            click.echo(json.dumps(session) if as_json else line)

    with closing(follow_list(manager, on_outage=tell_outage)) as frames:
        for frame in frames:
            if frame.name == "ready":
                for session in [*listing.read(manager)][::-1]:
                    show(session)
            elif frame.name == "session_deleted":
                _forget(frame, printed, as_json=as_json)
            elif listing.has(manager, frame.session):
                show(frame.session)


def _forget(frame: Frame, printed: dict[str, str], *, as_json: bool) -> None:
    session_id = frame.content["session_id"]
    line = printed.pop(session_id, None)
    if line is not None and not as_json:
        name = line.partition("  ")[0]
        click.echo(f"{name}  deleted")


def _line(session: Session) -> str:
    """Return the name of a session, its state, and what it is about."""
    state = state_of(session)
    parts = (one_line(session["session_name"]), state, what(session))
    return "  ".join(part for part in parts if part)
