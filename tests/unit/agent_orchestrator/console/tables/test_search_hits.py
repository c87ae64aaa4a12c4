from __future__ import annotations

from typing import Any

import click
from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.console.tables.search_hits import lines
from agent_orchestrator.console.tables.search_hits import snippet as snippet_lines
from agent_orchestrator.console.terminal.output import one_line
from agent_orchestrator.console.terminal.screen import Screen


def found(text: str, *ranges: tuple[int, int], **fields: bool) -> dict[str, Any]:
    places = [{"start": start, "end": end} for start, end in ranges]
    return {"text": text, "ranges": places, "is_beginning": True, "is_end": True, **fields}


def snippet(found: dict[str, Any]) -> str:
    (line,) = snippet_lines(found, Screen(has_colours=True))
    return line


def bold(text: str) -> str:
    return click.style(text, bold=True)


def test_matches_are_bold_and_cut_ends_are_marked() -> None:
    cut = found("a word and a word", (2, 6), (13, 17), is_beginning=False, is_end=False)
    assert snippet(cut) == f"…a {bold('word')} and a {bold('word')}…"


def test_ranges_outside_the_text_move_nothing() -> None:
    wrong = found("a word", (4, 2), (2, 6), (3, 5), (90, 99))
    assert snippet(wrong) == f"a {bold('word')}"


@given(st.text(), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_snippet_is_one_line_without_controls(text: str, ranges: list[tuple[int, int]]) -> None:
    line = click.unstyle(snippet(found(text, *ranges)))
    assert one_line(f".{line}.") == f".{line}."


def test_heading_is_repeated_when_its_session_comes_again() -> None:
    hits = [
        {
            **{"session_id": session_id, "session_name": f"{session_id}\n\x1b[2J", "seq": seq},
            **{"project_dir": None, "kind": kind, "tool_name": tool_name},
            **{"occurred_at": "2026-01-02T03:04:05Z", "snippet": found("x")},
        }
        for session_id, seq, kind, tool_name in (
            ("a", 100, "message", None), ("a", 9, "tool_input", "Ba\nsh"), ("b", 1, "note", None),
            ("a", 8, "tool_output", "Bash"),
        )
    ]  # fmt: skip
    printed = [line.split() for line in lines(hits, Screen())]
    assert [line[0] for line in printed] == ["a", "100", "9", "b", "1", "a", "8"]
    assert [line[3:] for line in printed[1:3]] == [["message", "x"], ["Ba", "sh", "input", "x"]]


def test_no_hits_have_no_lines() -> None:
    assert list(lines([], Screen())) == []
