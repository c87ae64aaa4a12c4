"""Runs, copied history, options and JSON lines of an export."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.export.document.options import ExportedTools, ExportFormat, Options
from agent_session_manager.export.document.text import cut
from tests.support.rows import each_row
from tests.unit.agent_session_manager.export.exports import (
    MOMENT,
    SESSION,
    Event,
    Page,
    as_stored,
    call,
    html,
    lines,
    markdown,
    message,
    rendered,
    result,
    texts,
)

STOP: Event = {"event_type": "session_stop", "reason": "failed", "exit_code": 1, "error": "broken"}
EVENTS: list[Event] = [
    message("user", "the prompt"),
    {"event_type": "thinking", "content": [{"type": "text", "text": "a thought"}]},
    call("Task", "t", tool_input={"prompt": "secret input"}),
    message("assistant", "of the subagent", parent_tool_use_id="t"),
    result("t", "secret output"),
    call("Bash", "b", tool_input={"command": "secret input"}),
    result("b", error="secret output"),
    message("assistant", "the answer"),
    STOP,
]


def borders(events: list[Event], **facts: Any) -> list[str]:
    """Return the texts of the borders, without numbers and times of events."""
    page = Page(rendered(ExportFormat.HTML, events, **facts))
    return [text.strip() for text in page.texts("span") if text.strip()]


def test_each_run_has_a_begin_and_an_end() -> None:
    events = [message("user", "a"), STOP, message("user", "b", run=2), message("user", "c", run=3)]
    runs = {
        2: {"started_at": MOMENT, "finished_at": MOMENT, "reason": "lost"},
        3: {"started_at": MOMENT, "finished_at": None, "reason": None},
    }
    assert borders(events, runs=runs) == [
        *("Run 1", "Run 1: failed (exit code 1)", "Run 2", "Run 2: lost", "Run 3"),
        "Run 3 was still running at the time of this export",
    ]


def test_late_event_of_an_older_run_begins_no_run() -> None:
    events = [message("user", "a", run=2), message("assistant", "b", run=1, late=True)]
    assert borders(events)[0] == "Run 2"
    assert "2026-01-01 10:00:00 UTC, late, of run 1" in markdown(events)


def test_copied_history_is_folded_at_its_place() -> None:
    copied = [message("user", "old", inherited=True), {**STOP, "inherited": True}]
    events = [message("user", "before"), *copied, message("user", "after")]
    session = {**SESSION, "forked_from": {"session_id": "s0"}}
    shown = rendered(ExportFormat.MARKDOWN, events, session=session)
    begin, end = shown.index("<summary>Copied from session s0"), shown.index("</details>")
    assert shown.index("> before") < begin < shown.index("> old") < end < shown.index("> after")
    assert "Run 1 was still running" in shown
    assert "Copied from another session" in markdown(events)


def test_question_is_shown_with_choices_and_decision() -> None:
    asked: Event = {
        "event_type": "permission_request",
        "title": "Run a command",
        "why": "to clean up",
        "tool_input": {"command": "rm -rf db"},
        "diff": "-old",
        "choices": [{"id": "y", "label": "Allow once"}, 7],
        "items": [{"text": "Where?", "options": [{"label": "staging"}]}, {"text": None}],
    }
    decided: Event = {
        "event_type": "permission_decided",
        "decision": "deny",
        "by": "person",
        "answers": {"a": ["x"]},
        "text": "not now",
    }
    for shown in (markdown([asked, decided]), html([asked, decided])):
        for text in (
            *("Question to a person: Run a command", "to clean up", "rm -rf db", "-old"),
            *("Allow once", "Where?", "- staging", "Decision: deny, by person", "not now"),
        ):
            assert text in shown, text
    for form in ExportFormat:
        for tools in (ExportedTools.NAMES, ExportedTools.NONE):
            brief = rendered(form, [asked, decided], Options(tools=tools))
            assert "Run a command" in brief
            assert "rm -rf db" not in brief and "-old" not in brief, (form, tools)
    for odd in ("title", "choices", "items", "answers", "text", "decision"):
        for event in (asked, decided):
            assert markdown([{**event, odd: {"a": 1}}]) and markdown([{**event, odd: [[]]}])


def test_compaction_is_a_border_with_a_folded_summary() -> None:
    shown = markdown([message("user", "all that was said", origin="compaction")])
    assert re.search(
        r"---\n\n\*\*The conversation was compacted\*\*.*\n\n<details>\n.*\n\n> all that was said",
        shown,
    )
    assert "## Prompt" not in shown


def test_notice_is_no_word_of_the_agents_program() -> None:
    shown = markdown([message("user", "a run has ended", origin="notice")])
    assert "Notice of the orchestrator" in shown and "agent's program" not in shown


@each_row(
    ("options", "present", "absent"),
    [
        (Options(), {"secret input", "secret output", "of the subagent"}, {"a thought"}),
        (Options(thinking=True), {"a thought"}, set[str]()),
        (
            Options(tools=ExportedTools.NAMES),
            {"Bash", "failed", "Task", "of the subagent"},
            {"secret input", "secret output", "a thought"},
        ),
        (
            Options(tools=ExportedTools.NONE),
            {"the prompt", "the answer", "broken"},
            {"Bash", "Task", "of the subagent", "secret input", "secret output"},
        ),
    ],
)
def test_options_decide_what_every_format_contains(
    options: Options, present: set[str], absent: set[str]
) -> None:
    for form in ExportFormat:
        shown = rendered(form, EVENTS, options)
        assert {text for text in present if text not in shown} == set(), form
        assert {text for text in absent if text in shown} == set(), form


def test_document_says_what_it_leaves_out() -> None:
    options = Options(max_output=4096)
    assert (
        "- Left out: `thinking; the middle of tool outputs of more than 4,096 bytes`"
        in markdown([], options)
    )
    assert "Left out" not in markdown([], Options(thinking=True))


def test_every_event_has_an_anchor_also_if_it_is_left_out() -> None:
    page = Page(html(EVENTS, Options(tools=ExportedTools.NONE)))
    anchors = {int((name or "e0")[1:]) for name in page.values("id")}
    assert anchors == set(range(1, len(EVENTS) + 1))


def test_json_lines_are_the_events_as_stored() -> None:
    shown = rendered(ExportFormat.JSONL, EVENTS, Options(thinking=True))
    assert shown.encode() == b"".join(event + b"\n" for event in as_stored(EVENTS))


def test_long_outputs_are_cut_in_every_format() -> None:
    events = [call("Bash", "c"), result("c", "a" * 5000 + "b" * 5000)]
    options = Options(max_output=10)
    expected = "aaaaa\n[… 9,990 bytes cut …]\nbbbbb"
    assert f"\n{expected}\n" in markdown(events, options)
    assert "\n" + expected in Page(html(events, options)).texts("pre")
    assert lines(events, options)[1]["tool_output"] == expected


def test_blocks_of_a_long_output_are_cut_in_json_lines() -> None:
    blocks = [{"type": "text", "text": "a" * 100}]
    events = [result("c", blocks), result("c", {"deep": ["x" * 100]}), result("c", blocks[:0])]
    outputs = [line["tool_output"] for line in lines(events, Options(max_output=50))]
    assert outputs[0].startswith("a" * 25 + "\n[… 50 bytes cut …]")
    assert outputs[1].startswith('{\n  "deep"')
    assert outputs[2] == []


@given(texts, st.integers(0, 50))
def test_cut_keeps_head_and_tail_and_counts_the_rest(text: str, most: int) -> None:
    shown = cut(text, most)
    found = re.fullmatch(r"(.*?)\n\[… ([\d,]+) bytes cut …\]\n(.*)", shown, re.DOTALL)
    if len(text.encode()) <= most:
        assert shown == text
    else:
        assert found is not None
        head, count, tail = found.groups()
        assert text.startswith(head)
        assert text.endswith(tail)
        kept = len(head.encode()) + len(tail.encode())
        assert kept <= most
        assert kept + int(count.replace(",", "")) == len(text.encode())


def test_usage_without_a_cost_is_not_shown_as_zero() -> None:
    def usage(**counts: int) -> str:
        session = {**SESSION, "usage": {"input_tokens": 7, "output_tokens": 3, **counts}}
        shown = rendered(ExportFormat.MARKDOWN, [], session=session)
        found = re.search(r"- Usage: `(.*)`", shown)
        return found[1] if found else ""

    assert usage(cost_microdollars=0, unpriced_tokens=10).endswith("; cost unknown")
    assert usage(cost_microdollars=20_000, unpriced_tokens=5).endswith("; at least $0.02")
    assert usage(cost_microdollars=1_500_000, unpriced_tokens=0).endswith("; $1.50")
