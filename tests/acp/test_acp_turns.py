"""One turn of an agent of the protocol: its events, and the truth about its end.

Numbers are those of the promises in `executors/base.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from agent_orchestrator.acp.tool_calls import ToolCalls
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.base import Continuation
from tests.acp.conftest import DONE, SERVE, Acp, Step, ask, call, of_type, text, texts, update
from tests.support.rows import each_row


def stop_of(events: list[Event]) -> tuple[str, str | None]:
    """Return the reason and the error of the last event (promise 5)."""
    assert [event["event_type"] for event in events].index("session_stop") == len(events) - 1
    return events[-1]["reason"], events[-1].get("error")


def test_turn_has_its_events_in_order(acp: Acp) -> None:
    """Promises 1 to 5 and 10."""
    events = acp.play(
        SERVE,
        ["update", {**text("Hm")[1], "sessionUpdate": "agent_thought_chunk"}],
        text("I will "),
        text("do it."),
        call(title="Run", kind="execute", status="pending", rawInput={}),
        update(status="in_progress", rawInput={"command": "ls"}),
        update(status="completed", rawOutput={"output": "a\n"}),
        ["update", {"sessionUpdate": "brand_new", "of": 1}],
        text("Done."),
        DONE,
    )  # fmt: skip
    assert [event["event_type"] for event in events] == [
        "message", "conversation", "thinking", "message", "pre_tool", "post_tool", "agent_update",
        "message", "session_stop",
    ]  # fmt: skip
    assert texts(events) == ["I will do it.", "Done."]
    pre, post = of_type(events, "pre_tool", "post_tool")
    assert pre["tool_input"] == {"command": "ls"} and pre["tool_use_id"] == "call-1"
    assert post["tool_output"] == {"output": "a\n"} and "error" not in post
    assert events[1]["conversation_id"] == "conversation-1"
    assert of_type(events, "agent_update")[0]["params"] == {"sessionUpdate": "brand_new", "of": 1}
    assert stop_of(events) == ("completed", None)
    assert len({event["event_id"] for event in events}) == len(events)
    (initialize,) = acp.sent("initialize")
    assert initialize["protocolVersion"] == 1 and initialize["clientCapabilities"] == {}


NO_ANSWER = "ended its turn without an answer"
ENDS: list[tuple[str, list[Step], str | None]] = [
    ("acp", [text("Fine."), DONE], None),
    ("acp", [DONE], NO_ANSWER),
    ("acp", [text(" \n"), DONE], NO_ANSWER),
    ("acp", [text("Half"), ["done", {"stopReason": "max_tokens"}]], "limit of tokens"),
    ("acp", [text("Half"), ["done", {"stopReason": "later"}]], "'later'"),
    ("acp", [text("Half"), ["done", {}]], "None"),
    ("acp", [["fail", {"code": 1, "message": "Bad", "data": {"details": "why"}}]], "Bad: why"),
    ("acp", [text("Half"), ["note", "broken pipe"], ["die", 9]], "SIGKILL: broken pipe"),
    ("kimi", [["fail", {"code": -32000, "message": "401"}]], "/login"),
    ("copilot", [text("Error: 400 BAD"), DONE], "Error: 400 BAD"),
    ("copilot", [text("Fine."), DONE], "without usage"),
    ("copilot", [text("Error: 1"), ["done", {"stopReason": "end_turn", "usage": {}}]], None),
    ("opencode", [text("A model is old."), DONE], NO_ANSWER),
    ("vibe", [text("Fine.", messageId="m1"), DONE], None),
]  # fmt: skip


@each_row("preset, steps, error", ENDS)
def test_turn_counts_only_with_an_answer(
    acp: Acp, preset: str, steps: list[Step], error: str | None
) -> None:
    acp.preset, acp.mode = preset, "acceptEdits"
    reason, told = stop_of(acp.play(serve_of(preset), *steps))
    assert reason == ("completed" if error is None else "failed")
    assert (error or "") in (told or "")


def serve_of(preset: str, **results: Any) -> Step:
    """Return the step that answers a preset's requests before its first prompt."""
    mode = {
        "id": "mode",
        "options": [
            {"value": value} for value in ("default", "build", "ask", "accept-edits", "plan")
        ],
    }
    if preset == "copilot":
        mode["options"] = [
            {"value": f"https://agentclientprotocol.com/protocol/session-modes#{name}"}
            for name in ("agent", "plan")
        ]
    allow = {"id": "allow_all", "options": [{"value": "on"}, {"value": "off"}]}
    told = {"sessionId": "conversation-1", "configOptions": [mode, allow]}
    return ["serve", {}, {"session/new": told, **results}]


def test_words_of_the_agent_are_no_answer(acp: Acp) -> None:
    acp.preset = "copilot"
    usage = {"inputTokens": 3000, "cachedReadTokens": 2000, "outputTokens": 42}
    events = acp.play(
        serve_of("copilot"),
        text("Info: Request failed due to a transient API error. Retrying..."),
        text("Info: /project/a.txt"),
        text("Error: "),
        text("that is the word you asked for."),
        ["done", {"stopReason": "end_turn", "usage": usage}],
    )
    assert texts(events) == ["Error: that is the word you asked for."]
    notes = [note["content"][0]["text"] for note in of_type(events, "diagnostic")]
    assert "transient" in notes[0] and notes[1:] == ["Info: /project/a.txt"]
    (used,) = of_type(events, "usage")
    assert used["usage"] == {
        "input_tokens": 1000, "cache_read_tokens": 2000, "output_tokens": 42,
    }  # fmt: skip


def test_calls_without_an_end_get_one(acp: Acp) -> None:
    """Promise 4."""
    events = acp.play(
        SERVE,
        call("a", kind="execute", rawInput={"command": "x"}),
        call("b", kind="read", status="pending"),
        update("c", status="failed", title="odd"),
        update("c", status="failed"),
        text("Done."),
        DONE,
    )
    calls = of_type(events, "pre_tool", "post_tool")
    order = [(event["event_type"], event["tool_use_id"]) for event in calls]
    assert order == [
        ("pre_tool", "a"), ("pre_tool", "c"), ("post_tool", "c"), ("post_tool", "a"),
        ("pre_tool", "b"), ("post_tool", "b"),
    ]  # fmt: skip
    errors = {event["tool_use_id"]: event.get("error") for event in calls[2:]}
    assert errors["a"] == "the turn ended before the tool did"
    assert errors["c"] == "the tool failed"


def test_output_may_be_in_the_content_alone(acp: Acp) -> None:
    """Qwen Code sends an empty raw output beside it, and Copilot CLI an error with a message."""
    content = [{"type": "content", "content": {"type": "text", "text": "three lines"}}]
    events = acp.play(
        SERVE,
        call("a", kind="read", rawInput={"path": "x"}),
        update("a", status="completed", content=content, rawOutput=""),
        call("b", kind="read", rawInput={"path": "y"}),
        update("b", status="failed", rawOutput={"message": "no such file", "code": 1}),
        call("c", kind="read", rawInput={"path": "z"}),
        update("c", status="failed", rawOutput={"error": {"message": "no access"}}),
        text("Done."),
        DONE,
    )
    read, missing, denied = of_type(events, "post_tool")
    assert read["tool_output"] == "three lines" and "error" not in read
    assert (missing["error"], denied["error"]) == ("no such file", "no access")


def test_replay_is_thrown_away(acp: Acp) -> None:
    acp.preset = "vibe"
    acp.continues = Continuation(resume=True, conversation_id="conversation-1")
    total = {"promptTokens": 3000, "completionTokens": 42, "cachedTokens": 2000}
    cost = {"amount": 0.5, "currency": "USD"}
    old = {"sessionUpdate": "usage_update", "cost": cost, "_meta": total}
    modes = {"availableModes": [{"id": "ask"}]}
    before = [text("old")[1], call("x", rawInput={"a": 1})[1], old]
    usage = {"inputTokens": 6000, "outputTokens": 84, "cachedReadTokens": 4000}
    events = acp.play(
        ["serve", {"loadSession": True}, {"session/load": {"modes": modes, "before": before}}],
        text("new", messageId="m"),
        ["update", {**old, "cost": {"amount": 0.75, "currency": "USD"}}],
        ["done", {"stopReason": "end_turn", "usage": usage}],
    )
    assert texts(events) == ["new"]
    assert not of_type(events, "pre_tool", "conversation")
    (used,) = of_type(events, "usage")
    assert used["usage"] == {
        "input_tokens": 1000, "cache_read_tokens": 2000, "output_tokens": 42,
        "cost_microdollars": 250_000,
    }  # fmt: skip
    assert acp.sent("session/set_mode") == [{"sessionId": "conversation-1", "modeId": "ask"}]


def test_odd_output_is_kept_and_answered(acp: Acp) -> None:
    events = acp.play(
        SERVE,
        ["write", "not json\n[1]\n"],
        ["tell", {"id": 7, "method": "craft/drain", "params": {}}],
        ["tell", {"id": "fs", "method": "fs/write_text_file", "params": {}}],
        ["tell", {"method": "x/y", "params": {"a": 1}}],
        text("of another", ),
        ["update", {"sessionUpdate": "agent_message_chunk", "content": 5}],
        ["update", {"sessionUpdate": "tool_call"}],
        ["tell", {"method": "session/update", "params": {"sessionId": "other", "update": {}}}],
        ["tell", {"method": "session/update", "params": 5}],
        DONE,
    )  # fmt: skip
    assert stop_of(events) == ("completed", None)
    assert [answer["error"]["code"] for answer in acp.answers()] == [-32601, -32601]
    assert "not json" in of_type(events, "diagnostic")[-1]["content"][0]["text"]
    assert [event["method"] for event in of_type(events, "agent_update")] == [
        "x/y", "session/update", "session/update",
    ]  # fmt: skip


def test_message_that_is_not_understood_costs_itself(
    acp: Acp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a defect")

    monkeypatch.setattr(ToolCalls, "upsert", fail)
    monkeypatch.setattr(ToolCalls, "asked", fail)
    events = acp.play(SERVE, call(kind="read"), ask(), text("Done."), DONE)
    assert stop_of(events) == ("completed", None)
    assert texts(events) == ["Done."]
    notes = [event["content"][0]["text"] for event in of_type(events, "diagnostic")]
    assert [note.split("'")[1] for note in notes] == [
        "session/update",
        "session/request_permission",
    ]
    assert [answer["error"]["code"] for answer in acp.answers()] == [-32602]


def test_flood_and_long_lines_are_bounded(acp: Acp) -> None:
    long = "x" * 3_000_000
    events = acp.play(
        SERVE,
        ["flood", 2000, '{"jsonrpc":"2.0","method":"session/update","params":{"update":'
         '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"0123456789"}}}}\n'],
        call("a", kind="read", rawInput={"text": long}),
        DONE,
    )  # fmt: skip
    assert "".join(texts(events)) == "0123456789" * 2000
    (pre,) = of_type(events, "pre_tool")
    assert len(str(pre["tool_input"])) < 1_000_000 and pre["shortened"]
    assert stop_of(events) == ("completed", None)


def test_refusal_that_ends_the_turn_is_a_failure(acp: Acp) -> None:
    events = acp.play(
        SERVE, text("I will do it."), call(kind="execute", rawInput={"command": "ls"}), ask(), DONE
    )
    assert stop_of(events) == ("failed", "the agent stopped after a refused permission")
    (denied,) = of_type(events, "permission_denied")
    assert denied["tool_use_id"] == "call-1"
    (post,) = of_type(events, "post_tool")
    assert post["error"] == denied["error"]


def test_long_messages_tell_what_was_left_out(acp: Acp) -> None:
    size = 2 * 1024 * 1024
    long = {"type": "text", "text": "x" * size}
    content = [{"type": "content", "content": long}]
    events = acp.play(
        SERVE,
        *(call(rawInput={"a": 1}), update(status="completed", content=content)),
        *(text("before"), text("x" * size), text("after"), DONE),
    )
    (post_tool,) = of_type(events, "post_tool")
    assert post_tool["shortened"] == {"tool_output": size}
    before, answer, after = of_type(events, "message")[1:]
    assert answer["shortened"] == {"content.0.text": size}
    assert texts([before, after]) == ["before", "after"]
    assert events[-1]["reason"] == "completed"
