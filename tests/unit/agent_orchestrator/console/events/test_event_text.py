"""Events as `ao-logs` shows them: any event, in any time zone, grouped by subagent."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.console.events.blocks import content_text, output_text
from agent_orchestrator.console.events.progress import describe
from agent_orchestrator.console.events.text import EventText, by_parent

Event = dict[str, Any]

DATA = base64.b64encode(bytes(12_000)).decode()


def event(seq: int, event_type: str, call: str | None = None, **fields: Any) -> Event:
    moment = f"2026-11-26T10:00:{seq % 60:02}.000000Z"
    told = {"seq": seq, "recorded_at": moment, "event_type": event_type, **fields}
    return told if call is None else {**told, "tool_use_id": call}


def shown(events: list[Event], zone: str = "UTC") -> list[str]:
    text = EventText(ZoneInfo(zone))
    return "\n".join(text.text(each) for each in events).splitlines()


def test_blocks_that_are_not_text_are_shown_as_words() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": DATA}
    table: list[tuple[Any, str]] = [
        ({"type": "text", "text": "hi"}, "hi"),
        ({"type": "image", "source": source}, "[image image/png, 12 KB]"),
        ({"type": "image", "data": DATA, "mimeType": "image/webp"}, "[image image/webp, 12 KB]"),
        ({"type": "audio", "data": DATA, "mimeType": "audio/wav"}, "[audio audio/wav, 12 KB]"),
        (
            {"type": "document", "title": "a.pdf", "source": {**source, "media_type": "a/pdf"}},
            "[document a/pdf a.pdf, 12 KB]",
        ),
        ({"type": "image", "source": {"type": "url", "url": "http://x/y"}}, "[image http://x/y]"),
        ({"type": "document", "source": {"media_type": "a/b", "text": "w"}}, "[document a/b]\nw"),
        (
            {"type": "resource", "resource": {"uri": "f:/x", "mimeType": "a/b", "blob": "AAAA"}},
            "[resource a/b f:/x, 3 bytes]",
        ),
        ({"type": "resource_link", "uri": "f:/x", "name": "n"}, "[resource_link n f:/x]"),
        ({"type": "new", "some": [1, DATA]}, '[new] {"some": [1, "[12 KB of base64]"]}'),
        ({"type": "new"}, "[new]"),
        ({"type": "image", "text": 5}, '[image] {"text": 5}'),
        ({"type": "text", "text": f"a data:x/y;base64,{DATA} b"}, "a [data x/y, 12 KB] b"),
    ]  # fmt: skip
    for block, words in table:
        assert content_text([block]) == words, block
        assert output_text([block]) == words, block
    cut = {"type": "image", "source": {**source, "data": "AAAA…"}}
    marks = {"tool_output.0.source.data": 4_000_000}
    assert output_text([cut], marks) == "[image image/png, 3.0 MB]"
    assert output_text({"image": DATA}) == '{"image": "[12 KB of base64]"}'


BLOCK_KEYS = st.sampled_from(["type", "text", "source", "data", "resource", "content", "url", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(BLOCK_KEYS, inner, max_size=4),
    max_leaves=8,
)
TYPES = st.sampled_from(
    ["message", "pre_tool", "post_tool", "usage", "subagent_start", "session_stop", "thinking", "?"]
)
IDS = st.sampled_from(["a", "b", "c"]) | JSON
FIELDS = st.fixed_dictionaries(
    {"event_type": TYPES | JSON},
    optional={
        **dict.fromkeys(
            ["content", "tool_output", "tool_input", "tool_name", "error", "role", "reason",
             "origin", "usage", "exit_code", "shortened", "recorded_at", "subagent_type",
             "status"], JSON,
        ),
        "tool_use_id": IDS, "parent_tool_use_id": IDS,
    },
)  # fmt: skip


@given(st.lists(FIELDS, max_size=6))
def test_any_json_is_shown_and_no_event_is_lost(fields: list[Event]) -> None:
    events = [{"seq": seq, **each} for seq, each in enumerate(fields)]
    ordered = list(by_parent(events))
    assert sorted(each["seq"] for each in ordered) == list(range(len(events)))
    heads = [line for line in shown(ordered) if line.lstrip().startswith("[")]
    assert len(heads) >= len(events)
    for each in events:
        describe(each)


def test_subagent_events_are_listed_below_their_call() -> None:
    given_to = {"tool_name": "Agent", "tool_input": {"subagent_type": "Explore"}}
    events = [
        event(1, "message", role="user"),
        event(2, "pre_tool", "a", **given_to),
        event(3, "pre_tool", "b", **given_to),
        event(4, "subagent_start", parent_tool_use_id="a", subagent_type="Explore"),
        event(5, "subagent_start", parent_tool_use_id="b", subagent_type="Explore"),
        event(6, "pre_tool", "a1", tool_name="Bash", parent_tool_use_id="a"),
        event(7, "pre_tool", "b1", tool_name="Agent", parent_tool_use_id="b"),
        event(8, "thinking", parent_tool_use_id="b1"),
        event(9, "post_tool", "a1", tool_name="Bash", parent_tool_use_id="a"),
        event(10, "post_tool", "a", tool_name="Agent"),
        event(11, "post_tool", "b1", tool_name="Agent", parent_tool_use_id="b"),
        event(12, "post_tool", "b", tool_name="Agent"),
        event(13, "subagent_stop", parent_tool_use_id="b", status="completed"),
        event(14, "subagent_stop", parent_tool_use_id="a", status="completed"),
        event(15, "conversation", conversation_id="c"),
        event(16, "session_stop", reason="completed"),
    ]
    lines = shown(list(by_parent(events)))
    assert [line.partition("10:00:")[2][3:] for line in lines[1:]] == [
        "user",
        "Agent:",
        "Explore · began",
        "Explore · Bash:",
        "Explore · Bash done",
        "Agent done",
        "Explore · completed",
        "Agent:",
        "Explore 2 · began",
        "Explore 2 · Agent:",
        "subagent · thinking",
        "Explore 2 · Agent done",
        "Agent done",
        "Explore 2 · completed",
        "the agent began a new conversation",
        "completed",
    ]
    depths = [(len(line) - len(line.lstrip())) // 2 for line in lines[1:]]
    assert depths == [0, 0, 1, 1, 1, 0, 1, 0, 1, 1, 2, 1, 0, 1, 0, 0]
    as_they_come = shown(events)
    assert sorted(as_they_come) == sorted(lines)  # only the order differs


def test_imported_events_say_what_they_are() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png"}}
    said: dict[str, Any] = {"content": [{"type": "text", "text": "hi"}]}
    events = [
        event(1, "message", role="user", inherited=True, **said),
        event(2, "message", role="user", origin="compaction", inherited=True, **said),
        event(3, "message", role="assistant", rolled_back=True, **said),
        event(4, "message", role="user", origin="agent", **said),
        event(5, "message", role="user", content=[{"type": "image", "media_type": "image/png"}]),
        event(6, "pre_tool", tool_name="exec", tool_input={"cmd": "ls"}),
        event(7, "pre_tool", tool_name="shell", tool_input={"command": ["ls", "-l"]}),
        event(8, "pre_tool", tool_name="view", tool_input={"path": "/x", "other": [1]}),
        event(9, "rollback", num_turns=2),
        event(10, "message", role="user", inherited="yes", content=[picture]),
        event(11, "message", role="user", origin="notice", **said),
    ]
    heads = [line.split(" ", 2)[2] for line in shown(events) if line.startswith("[")]
    assert heads == [
        "user (copied)",
        "summary after compaction (copied)",
        "assistant (taken back)",
        "from another agent",
        "user",
        "exec: ls",
        "shell: ls -l",
        "view: /x",
        "the conversation was taken back to an earlier point",
        "user",
        "notice of the orchestrator",
    ]
    pictures = [line.strip() for line in shown(events) if "image" in line]
    assert pictures == ["[image image/png]", "[image image/png]"]


def test_unfinished_call_delays_no_event_for_ever() -> None:
    lost = [event(1, "pre_tool", "a"), event(2, "session_stop"), event(3, "message")]
    seen = []
    for each in by_parent(iter(lost)):
        seen.append(each["seq"])
    assert seen == [1, 2, 3]
    ongoing = [event(1, "pre_tool", "a"), event(2, "thinking", parent_tool_use_id="a")]
    assert [each["seq"] for each in by_parent(ongoing)] == [1, 2]


def test_times_are_local_with_date_and_offset_at_each_change() -> None:
    def at(moment: datetime, zone: str) -> list[str]:
        text = EventText(ZoneInfo(zone))
        steps = (moment + timedelta(minutes=30 * step) for step in range(4))
        told = [
            {"seq": 1, "recorded_at": f"{m:%Y-%m-%dT%H:%M:%SZ}", "event_type": "x"} for m in steps
        ]
        return "\n".join(text.text(each) for each in told).replace("[1] ", "").splitlines()

    spring = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    autumn = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert at(spring, "Europe/Berlin") == [
        "2026-03-29 UTC+01:00", "01:30:00 x",
        "2026-03-29 UTC+02:00", "03:00:00 x", "03:30:00 x", "04:00:00 x",
    ]  # fmt: skip
    assert at(autumn, "Europe/Berlin") == [
        "2026-10-25 UTC+02:00", "02:00:00 x", "02:30:00 x",
        "2026-10-25 UTC+01:00", "02:00:00 x", "02:30:00 x",
    ]  # fmt: skip
    assert at(spring, "UTC")[:2] == ["2026-03-29 UTC+00:00", "00:30:00 x"]
    assert at(spring, "Asia/Kathmandu")[:2] == ["2026-03-29 UTC+05:45", "06:15:00 x"]
    assert at(spring, "Pacific/Kiritimati")[:2] == ["2026-03-29 UTC+14:00", "14:30:00 x"]
    assert at(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "America/St_Johns") == [
        "2026-03-28 UTC-02:30", "22:30:00 x", "23:00:00 x", "23:30:00 x",
        "2026-03-29 UTC-02:30", "00:00:00 x",
    ]  # fmt: skip
