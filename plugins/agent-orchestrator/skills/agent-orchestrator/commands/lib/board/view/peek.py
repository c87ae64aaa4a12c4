"""A look into a session: its question with the choices, or its prompt and its last words."""

from __future__ import annotations

from collections.abc import Iterator

from ...client.manager import Json
from ...console.events.question_text import question_lines
from ...console.terminal.output import exact_line
from ..state.answering import Answering
from ..state.board import Board
from ..state.groups import Place, kind_of
from .line import Line, broken, wrapped

_OF_DIFF = {"+": "added", "-": "removed"}


def peek_lines(board: Board, place: Place, width: int) -> Iterator[Line]:
    """Yield the lines about a session, cut to a width."""
    answering = board.answering
    if answering is not None:
        yield from _question(
            answering, len(board.questions[answering.session["session_id"]]), width
        )
        return
    session = place.session
    yield from _part("Prompt", str(session.get("prompt") or ""), width)
    if kind_of(session) == "asks":
        yield [("quiet", "The question is being read.")]
    elif session["status"] == "running":
        call = board.calls.get(session["session_id"], "no tool call yet")
        yield from _part("Newest call", call, width)
    else:
        if kind_of(session) == "failed":
            yield from _part("Error", str(session.get("outcome") or ""), width)
        result = board.results.get((session["session_id"], session["run"]), "")
        yield from _part("Last answer", result, width)


def _part(title: str, text: str, width: int) -> Iterator[Line]:
    if text:
        yield [("head", title)]
        yield from ([("", line)] for line in wrapped(text, width))


def choice_lines(board: Board, width: int) -> Iterator[Line]:
    """Yield the choices of the chosen session's permission, each with its digit."""
    answering = board.answering
    if answering is not None and answering.item is None:
        for number, choice in enumerate(answering.question["event"].get("choices") or [], start=1):
            yield from _option(number, str(choice["label"]), width)


def _question(answering: Answering, count: int, width: int) -> Iterator[Line]:
    """Yield all of a question: a person decides by it, so nothing is left out."""
    event = answering.question["event"]
    if count > 1:
        yield [("quiet", f"The first of {count} questions.")]
    if answering.item is not None:
        for item in event["items"]:
            yield from _item(item, width)
        return
    for line in question_lines(event):
        look = _OF_DIFF.get(line[:1], "") if event.get("diff") else ""
        yield from ([(look, part)] for part in broken(exact_line(line), width))


def _item(item: Json, width: int) -> Iterator[Line]:
    many = " (several answers are possible)" if item.get("multiple") else ""
    yield from ([("head", line)] for line in broken(exact_line(item["text"] + many), width))
    for number, option in enumerate(item.get("options") or [], start=1):
        about = option.get("description")
        yield from _option(number, option["label"] + (f": {about}" if about else ""), width)


def _option(number: int, text: str, width: int) -> Iterator[Line]:
    first, *rest = broken(exact_line(text), max(width - 4, 1))
    yield [("key", f" {number} "), ("", f" {first}")]
    yield from ([("", f"    {line}")] for line in rest)
