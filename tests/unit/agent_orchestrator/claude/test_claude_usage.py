"""Usage of each model request, counted from the CLI's frames."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.claude.usage import RequestCounter

Frame = dict[str, Any]


def usage(output: int, **more: Any) -> Frame:
    return {"input_tokens": 3, "output_tokens": output, **more}


def live(message_id: str, output: int, **fields: Any) -> Frame:
    message = {"id": message_id, "model": "claude-x", "usage": usage(output), "content": []}
    return {"type": "assistant", "message": message, "uuid": "line", **fields}


def mirrored(message_id: str, output: int, **fields: Any) -> Frame:
    line = {**live(message_id, output), "isSidechain": False, "sessionId": "here", **fields}
    return {"type": "transcript_mirror", "filePath": "x.jsonl", "entries": [line]}


def told_by(frames: list[Frame]) -> list[Frame]:
    counter = RequestCounter()
    return [told for frame in frames for told in counter.told_by(frame)]


def outputs(frames: list[Frame]) -> dict[str, int]:
    return {
        told["fields"]["request_id"]: told["fields"]["usage"]["output_tokens"]
        for told in told_by(frames)
    }


def test_requests_are_counted_once_and_by_their_own_rules() -> None:
    side = {"isSidechain": True, "agentId": "a1"}
    copied = {"requestSessionId": "elsewhere"}
    nameless = live("x", 5)
    del nameless["message"]["id"]
    started = {"type": "system", "subtype": "task_started", "task_id": "a1", "tool_use_id": "t1"}
    table: dict[str, tuple[list[Frame], dict[str, int]]] = {
        "several lines of one message": ([live("m", 1), live("m", 1), live("m", 7)], {"m": 7}),
        "a final line of the transcript": ([live("m", 1), mirrored("m", 42)], {"m": 42}),
        "a smaller number later": ([live("m", 9), mirrored("m", 2)], {"m": 9}),
        "a subagent's last answer": ([started, mirrored("s", 4, **side)], {"s": 4}),
        "lines copied into a fork": ([mirrored("old", 4, **copied)], {}),
        "copied lines of a subagent": ([mirrored("old", 4, **side, **copied)], {}),
        "lines before a resume": ([mirrored("old", 4)], {}),
        "no message id": ([nameless, nameless], {"line": 5}),
        "the words of the CLI": ([live("m", 1, error="rate_limit")], {}),
        "no usage": ([{"type": "assistant", "message": {"id": "m"}}], {}),
        "two requests": ([live("m", 1), live("n", 2)], {"m": 1, "n": 2}),
    }
    for case, (frames, expected) in table.items():
        assert outputs(frames) == expected, case
    (told,) = told_by([started, mirrored("s", 4, **side)])
    assert told["fields"]["parent_tool_use_id"] == "t1"


def test_unknown_counters_are_left_out_and_known_ones_named() -> None:
    details = {
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": None,
        "cache_creation": {"ephemeral_1h_input_tokens": 6},
        "server_tool_use": None,
        "output_tokens_details": {"thinking_tokens": 0},
        "speed": "fast",
    }
    frame = live("m", 1)
    frame["message"]["usage"] = usage(1, **details)
    (told,) = told_by([frame])
    assert told["fields"]["usage"] == {
        "input_tokens": 3,
        "output_tokens": 1,
        "cache_read_tokens": 5,
        "cache_creation_1h_tokens": 6,
        "reasoning_tokens": 0,
    }
    assert told["fields"]["speed"] == "fast"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
USAGE = st.dictionaries(st.sampled_from(["input_tokens", "cache_creation"]), JSON)
MESSAGES = JSON | st.fixed_dictionaries({"id": JSON, "usage": JSON | USAGE})
LINES = st.fixed_dictionaries({"type": st.just("assistant"), "message": MESSAGES})
FRAMES = LINES | st.builds(
    lambda entries: {"type": "transcript_mirror", "entries": entries}, JSON | st.lists(LINES | JSON)
)


@given(st.lists(FRAMES, max_size=4))
def test_any_frame_is_accepted(frames: list[Frame]) -> None:
    for told in told_by(frames):
        assert all(count >= 0 for count in told["fields"]["usage"].values())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), min_size=1))
def test_counters_take_their_maximum_in_any_order(lines: list[tuple[str, int]]) -> None:
    frames = [live(message_id, output) for message_id, output in lines]
    expected: dict[str, int] = {}
    for message_id, output in lines:
        expected[message_id] = max(output, expected.get(message_id, 0))
    assert outputs(frames) == expected
    ids = [told["event_id"] for told in told_by(frames)]
    assert len(set(ids)) == len(ids)
