"""The page says what failed: each broken promise, and each step that differs, is named."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.agents.page import render
from tests.agents.play import HINT, LAST, OUTPUT, READ, Seen, taken
from tests.agents.verdicts import broken_promises, start_seconds, steps
from tests.support.rows import each_row

Json = dict[str, Any]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
numbers = itertools.count(1)


def event(run: int, event_type: str, **fields: Any) -> Json:
    number = next(numbers)
    stamp = (BEGIN + timedelta(seconds=number)).isoformat()
    return {
        "event_type": event_type,
        "run": run,
        "event_id": str(number),
        "timestamp": stamp,
    } | fields


def said(run: int, role: str, text: str) -> Json:
    return event(run, "message", role=role, content=[{"type": "text", "text": text}])


def call(run: int, name: str, word: str, output: str, **fields: Any) -> list[Json]:
    return [
        event(run, "pre_tool", tool_use_id=name, tool_input={"x": word}),
        event(run, "post_tool", tool_use_id=name, tool_output=output, **fields),
    ]


def asked(name: str, word: str) -> list[Json]:
    return [
        event(1, "permission_request", question_id=name, tool_input={"x": word}),
        event(1, "permission_decided", question_id=name),
    ]


def perfect() -> Seen:
    """Return the record of an agent that does everything."""
    seen = Seen("codex", version="1.0", is_told_in_turn=True, requests=[2, 1, 1])
    seen.files = {"notes.txt": "changed\nheron\n"}
    seen.results, seen.resumes = [LAST, "", "x"], ["remembers"]
    seen.imported = "nothing new"
    seen.events = [
        said(1, "user", "prompt"),
        event(1, "conversation"),
        said(1, "assistant", READ),
        *call(1, "a", "notes.txt", "heron"),
        *asked("q1", "notes.txt"),
        *call(1, "b", "notes.txt", "ok", diff="-first"),
        *asked("q2", "go-1"),
        said(1, "user", HINT),
        *call(1, "c", "go-1", OUTPUT),
        *asked("q3", "refused.txt"),
        *call(1, "d", "refused.txt", "no", error="no"),
        said(1, "assistant", LAST),
        event(1, "usage", usage={"output_tokens": 84}),
        event(1, "session_stop", reason="completed"),
        said(2, "user", "second"),
        *call(2, "e", "go-2", "", error="stopped"),
        event(2, "session_stop", reason="stopped"),
        said(3, "user", "third"),
        event(3, "session_stop", reason="completed"),
    ]
    return seen


def place(seen: Seen, event_type: str, **fields: Any) -> int:
    wanted = {"event_type": event_type} | fields
    return next(at for at, each in enumerate(seen.events) if wanted.items() <= each.items())


def without(event_type: str, **fields: Any) -> Callable[[Seen], None]:
    def change(seen: Seen) -> None:
        del seen.events[place(seen, event_type, **fields)]

    return change


def lose_error(seen: Seen) -> None:
    del seen.events[place(seen, "post_tool", tool_use_id="d")]["error"]


def lose_error_of_stop(seen: Seen) -> None:
    del seen.events[place(seen, "post_tool", tool_use_id="e")]["error"]


def repeat_id(seen: Seen) -> None:
    seen.events[3]["event_id"] = seen.events[4]["event_id"]


def answer_first(seen: Seen) -> None:
    seen.events.insert(3, seen.events.pop(place(seen, "session_stop") - 2))


def fail(seen: Seen) -> None:
    seen.events[place(seen, "session_stop")]["reason"] = "failed"


def leave_process(seen: Seen) -> None:
    seen.left.append("node")


def run_refused(seen: Seen) -> None:
    seen.files["refused.txt"] = "no\n"


@each_row(
    "change, promise",
    [
        (lambda seen: None, None),
        (without("message"), 1),
        (answer_first, 2),
        (without("pre_tool", tool_use_id="a"), 2),
        (repeat_id, 3),
        (without("post_tool", tool_use_id="b"), 4),
        (lose_error, 4),
        (lose_error_of_stop, 4),
        (fail, 5),
        (without("session_stop"), 5),
        (leave_process, 7),
        (run_refused, 9),
        (without("permission_decided"), 9),
        (without("conversation"), 10),
    ],
)
def test_broken_promise_is_named(change: Callable[[Seen], None], promise: int | None) -> None:
    seen = perfect()
    change(seen)
    broken = broken_promises(seen)
    assert set(broken) >= {promise} - {None} if promise else broken == {}
    if promise:
        assert f"{promise} is broken: " in render([seen])


def test_steps_of_a_full_and_of_an_empty_record() -> None:
    full, empty = steps(perfect()), steps(Seen("kimi"))
    assert full == {
        "reads a file": "yes",
        "edits it": "yes, asked first",
        "runs a command": "yes",
        "is asked": "yes",
        "is refused": "continues",
        "gets a message": "in the turn",
        "is stopped": "stopped",
        "is resumed": "remembers",
        "result": LAST,
        "usage": "all tokens",
        "is imported": "nothing new",
        "end": "completed, stopped, completed",
    }
    assert set(empty.values()) & set(full.values()) == set()
    assert (start_seconds(perfect()), start_seconds(Seen("kimi"))) == (2.0, None)
    assert broken_promises(Seen("kimi"))


def test_page_names_agents_that_were_not_played_and_trouble() -> None:
    seen = perfect()
    seen.trouble.append("first run: ao-send ended with 1: x | y")
    page = render([seen, Seen("kimi", missing="`kimi` is not installed")])
    assert "- `kimi` was not played: `kimi` is not installed\n" in page
    assert "- `codex`, first run: ao-send ended with 1: x \\| y\n" in page


def test_request_sent_again_with_a_message_counts_once() -> None:
    prompt, told = {"role": "user", "content": "go"}, {"role": "user", "content": "stop"}
    call, output = {"type": "function_call"}, {"type": "function_call_output"}
    first, second = {"input": [prompt]}, {"input": [prompt, call, output]}
    cut = {"input": [prompt, call, output, told]}
    last = {"input": [prompt, call, output, told, call, output]}
    assert taken([first, second, last]) == [first, second, last]
    assert taken([first, second, cut, last]) == [first, cut, last]
    assert taken([second, second]) == [second, second]
    assert taken([{"messages": [prompt]}, {"messages": [prompt, told]}]) == [
        {"messages": [prompt]},
        {"messages": [prompt, told]},
    ]
    assert taken([]) == []
