"""The last line of the board, with the keys that mean something now, and the help."""

from __future__ import annotations

from collections.abc import Iterator

from ...sessions.resolve import is_by_hand
from ..state.groups import RUNNING, Place, is_seeable
from ..state.keys import Keys
from ..state.mode import Asking, Help, Typing
from .line import Line, width_of

Pair = tuple[str, str]
"""A key, and what it does."""

_GAP = "  "
_ALWAYS = (("/", "filter"), ("?", "help"), ("q", "quit"))

HELP = (
    ("j k ↑ ↓", "choose a row; g and G choose the first and the last one"),
    ("Enter", "show the events of the session in the pager, and come back"),
    ("Space", "look into the session: its prompt, its answer, or its question"),
    ("a, 1 to 9", "answer its question, or take the choice of this number"),
    ("t", "tell the agent of a running session something"),
    ("s", "stop the run, after a question"),
    ("r", "resume a session that has ended, with a prompt"),
    ("o", "open the page of the session in the browser"),
    ("m, u", "mark the end of a run as seen, or as unseen again"),
    ("/", "show only rows with a text in name, project, agent or id"),
    ("PgDn PgUp", "scroll the look into a session"),
    ("Escape", "close the look, or remove the filter"),
    ("Ctrl-L", "draw everything again"),
    ("q, Ctrl-C", "leave the board; the runs continue"),
)


def key_line(keys: Keys, width: int) -> Line:
    """Return the keys that mean something now, the most useful ones if not all fit."""
    match keys.mode:
        case Typing(is_filter=True):
            pairs = [("Enter", "keep the filter"), ("Escape", "remove it")]
        case Typing():
            pairs = [("Enter", "send"), ("Escape", "not now")]
        case Asking():
            pairs = [("y", "yes"), ("any other key", "no")]
        case Help():
            pairs = [("any key", "back")]
        case _:
            return _fitted([*_of_row(keys)], width)
    return _joined(pairs)


def _of_row(keys: Keys) -> Iterator[Pair]:
    """Yield the keys of the chosen row, the most useful ones first."""
    place = keys.board.chosen
    if place is None:
        return
    is_running = place.session["status"] == "running"
    if place.kind == "asks":
        yield ("1-9", "choose") if _has_choices(keys) else ("a", "answer")
    yield "⏎", "logs"
    yield "space", "close" if keys.board.is_peeking else "peek"
    if is_running and not is_by_hand(place.session):
        yield "t", "tell"
        yield "s", "stop"
    if not is_running:
        yield "r", "resume"
    yield from _mark(place)
    yield "o", "page"


def _mark(place: Place) -> Iterator[Pair]:
    if place.kind != RUNNING and is_seeable(place.session):
        yield ("u", "unseen") if place.is_seen else ("m", "seen")


def _has_choices(keys: Keys) -> bool:
    answering = keys.board.answering
    return keys.board.is_peeking and answering is not None and answering.is_choice


def _fitted(pairs: list[Pair], width: int) -> Line:
    """Return all keys; on a narrow terminal the last ones without words, then fewer of a row."""
    line = _joined([*pairs, *_ALWAYS])
    while width_of(line) > width:
        line = _joined([*pairs, *((key, "") for key, _ in _ALWAYS)])
        if not pairs:
            break
        pairs = pairs[:-1]
    return line


def _joined(pairs: list[Pair]) -> Line:
    line: Line = [("", " ")]
    for place, (key, words) in enumerate(pairs):
        line += [("", _GAP if place else ""), ("key", key), ("quiet", f" {words}".rstrip())]
    return line
