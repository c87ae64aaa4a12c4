from __future__ import annotations

from collections import Counter

import pytest

from agent_orchestrator.history.items import ForkPoint, FoundEvent, SessionFacts
from tests.support.codex_rollouts import (
    OLDER_THREAD,
    THREAD,
    TURN,
    ends,
    event,
    events,
    lines,
    read,
    record,
    reply,
    requests,
    session_meta,
    shape,
    token_count,
    tokens,
)


@pytest.mark.parametrize(
    ("name", "parent", "own_prompts"),
    [
        ("fork", THREAD, ["And in the fork?"]),
        ("fork-of-fork", "01a21dd5-a8db-7920-93da-6b26a615a2ba", ["Deeper."]),
        ("older-fork", OLDER_THREAD, ["And in the fork?", "Newer."]),
        ("older-fork-of-fork", "01a21dd8-dab9-7ed2-abd2-fe7d208a16da", ["Deeper."]),
        ("converted-fork-of-fork", "01a21dd8-dab9-7ed2-abd2-fe7d208a16da", ["Deeper."]),
    ],
)
def test_fork_owns_only_its_later_turns(name: str, parent: str, own_prompts: list[str]) -> None:
    items = read(lines(name))
    facts = [item for item in items if isinstance(item, SessionFacts)]
    assert facts[0].forked_from == ForkPoint(parent)
    assert [fact.title.text for fact in facts if fact.title] == own_prompts[:1]
    assert [
        found["content"][0]["text"]
        for found in events(items, inherited=False)
        if found.get("role") == "user" and "origin" not in found
    ] == own_prompts
    assert ends(items) == ["completed"] * len(own_prompts)
    assert tokens(items) == 3042 * len(own_prompts)


@pytest.mark.parametrize(
    ("name", "parent", "own", "count"),
    [
        ("subagent", "01a21dd7-3915-7fc3-8db4-29b37bffef5a", "Done with agents.", 3),
        ("older-subagent", OLDER_THREAD, "I looked.", 1),
        ("converted-subagent", OLDER_THREAD, "I looked.", 1),
    ],
)
def test_subagent_owns_only_its_turn(name: str, parent: str, own: str, count: int) -> None:
    items = read(lines(name))
    facts = items[0]
    assert isinstance(facts, SessionFacts)
    assert facts.parent_session_id == parent
    answers = [
        found for found in events(items, inherited=False) if found.get("role") == "assistant"
    ]
    assert [shape(answer) for answer in answers] == [f"message assistant {own}"]
    assert (len(requests(items)), tokens(items)) == (count, 3042 * count)


def test_task_of_a_subagent_comes_from_an_agent() -> None:
    found = events(read(lines("subagent")), inherited=False)
    assert shape(found[0]).startswith("message user agent Message Type: NEW_TASK")


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (("thread", "fork", "fork-of-fork"), 13 * 3042),
        (("older-thread", "older-fork", "older-fork-of-fork", "older-subagent"), 20 * 3042),
        (("older-fork-of-fork", "converted-fork-of-fork"), 3042),
        (("older-subagent", "converted-subagent"), 3042),
    ],
)
def test_forks_count_the_same_in_any_order(names: tuple[str, ...], total: int) -> None:
    parent_first = [item for name in names for item in read(lines(name))]
    parent_last = [item for name in reversed(names) for item in read(lines(name))]
    assert (tokens(parent_first), tokens(parent_last)) == (total, total)


def test_conversion_by_codex_keeps_the_ids() -> None:
    older = events(read(lines("older-fork-of-fork")))
    converted = events(read(lines("converted-fork-of-fork")))
    assert [found["event_id"] for found in converted] == [found["event_id"] for found in older]


def test_copied_events_keep_the_ids_of_the_parent() -> None:
    copied = {found["event_id"] for found in events(read(lines("older-fork")), inherited=True)}
    assert copied < {found["event_id"] for found in events(read(lines("older-thread")))}


def test_undecidable_fork_has_events_but_no_usage() -> None:
    items = read(
        [
            session_meta(),
            session_meta(id="parent"),
            reply("message", role="user", content="Hello."),
            token_count(1100, 1100),
            event("task_started", turn_id="1"),
            token_count(3300, 2200),
        ]
    )
    assert [shape(found) for found in events(items, inherited=False)] == ["message user Hello."]
    assert requests(items) == []


def test_copied_meta_is_enough_to_know_a_fork() -> None:
    older = "01a21dd5-a000-7000-8000-000000000000"
    newer = "01a21dd5-b000-7000-8000-000000000000"
    items = read(
        [
            session_meta(),
            session_meta(id="parent"),
            session_meta(id="parent-of-parent"),
            event("task_started", turn_id=older),
            token_count(1100, 1100),
            event("task_started", turn_id=newer),
            token_count(3300, 2200),
        ]
    )
    assert [item.forked_from for item in items if isinstance(item, SessionFacts)] == [
        None,
        ForkPoint("parent"),
    ]
    assert tokens(items) == 2200


def test_ordinals_decide_without_turn_ids() -> None:
    meta = session_meta(forked_from_id="parent", forked_from_ordinal_exclusive=5)
    words = {"type": "message", "role": "user", "content": "Hello."}
    items = read(
        [
            meta,
            record("response_item", words, ordinal=4),
            record("event_msg", token_count(1100, 1100)["payload"], ordinal=4),
            record("response_item", words, ordinal=5),
            record("event_msg", token_count(3300, 2200)["payload"], ordinal=6),
        ]
    )
    assert [found["event_id"] for found in events(items, inherited=True)] == [f"{THREAD}:4"]
    assert [found["event_id"] for found in events(items, inherited=False)] == [f"{THREAD}:5"]
    assert tokens(items) == 2200


def test_older_rollback_is_an_event() -> None:
    found = [found for found in events(read(lines("older-thread"))) if "num_turns" in found]
    assert [(each["event_type"], each["num_turns"]) for each in found] == [("rollback", 1)]


def test_reverted_thread_continues_in_other_files() -> None:
    thread = "01a21deb-6a53-7c12-b95f-cfea53ee77ed"
    segments = ["01a21deb-6b2b-7d33-8be5-f29da254d0cf", "01a21deb-6b96-7db2-bb9f-474942d90918"]
    name = f"rollout-2026-11-27T16-51-37-{thread}"
    parts = [
        read(lines("reverted"), f"{name}.jsonl"),
        read(lines("reverted-once"), f"{name}_{segments[0]}.jsonl"),
        read(lines("reverted-twice"), f"{name}_{segments[1]}.jsonl"),
    ]
    items = [item for part in parts for item in part]
    assert {item.session_id for item in items if isinstance(item, FoundEvent)} == {thread}
    assert [found for found in events(items) if found["event_type"] == "rollback"] == [
        {
            "event_type": "rollback",
            "event_id": f"{segments[0]}:rollback",
            "timestamp": "2026-11-27T16:51:37.387Z",
            "first_ordinal": 22,
        },
        {
            "event_type": "rollback",
            "event_id": f"{segments[1]}:rollback",
            "timestamp": "2026-11-27T16:51:37.494Z",
            "first_ordinal": 25,
        },
    ]
    ids = Counter(found["event_id"] for found in events(items))
    assert max(ids.values()) == 1
    assert events(items, inherited=True) == []
    assert [len(requests(part)) for part in parts] == [3, 1, 4]


def test_continuation_does_not_change_the_title() -> None:
    name = f"rollout-2026-11-27T16-51-37-{THREAD}_{TURN}.jsonl"
    items = read(lines("reverted-once"), name)
    assert [item.title for item in items if isinstance(item, SessionFacts)] == [None]
