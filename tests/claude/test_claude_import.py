"""Runs of the real Claude Code: as the executor records them, and as its transcripts tell them.

Both have the same events with the same ids, so a recorded session can be imported without effect.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.history.format import Place, Source
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.items import FoundEvent, Item, ModelRequest, TurnEnd
from tests.claude.claude_events import events_of, interrupted_call, only, text_of
from tests.claude.conftest import Claude
from tests.support.loops import run
from tests.support.model_server import script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")

COMPARED = ("message", "thinking", "pre_tool", "post_tool")
"""Types of the events that a transcript has as well."""
DONE = {"text": "done"}
MESSAGE_ID = "5e1a3c9e-0f5c-4a3f-9b61-8f5fb0a1c0de"


def imported(claude: Claude) -> list[Item]:
    """Return the items of all transcripts of a home, each file in order."""
    return [
        item
        for root in FORMAT.roots(claude.home, {})
        for source in sorted(FORMAT.find(root), key=lambda source: source.path)
        for item in items_of(source)
    ]


def items_of(source: Source) -> Iterator[Item]:
    parser, offset = FORMAT.parser(source, None), 0
    for number, line in enumerate(source.path.read_bytes().splitlines(keepends=True), 1):
        yield from parser.read(json.loads(line), Place(number, offset))
        offset += len(line)


def lanes(events: Sequence[Event]) -> dict[str | None, list[Event]]:
    """Return the compared events without times, by the call that started their subagent."""
    found = defaultdict(list)
    for event in events:
        if event["event_type"] in COMPARED:
            timeless = {key: value for key, value in event.items() if key != "timestamp"}
            found[event.get("parent_tool_use_id")].append(timeless)
    return found


def in_transcripts(items: Sequence[Item]) -> list[Event]:
    return [item.event for item in items if isinstance(item, FoundEvent)]


def final_counts(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Return the counts of each request. A later item raises them to their maximum."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for item in items:
        if isinstance(item, ModelRequest):
            known = found[item.key]
            known.update({n: max(count, known.get(n, 0)) for n, count in item.counts.items()})
    return found


def recorded_counts(events: Sequence[Event]) -> dict[str, dict[str, int]]:
    return {e["request_key"]: e["usage"] for e in events if "request_key" in e}


def compare(claude: Claude, events: Sequence[Event]) -> str | None:
    """Compare the events of runs with the transcripts; return the end of the last turn there."""
    items = imported(claude)
    assert lanes(in_transcripts(items)) == lanes(events)
    assert final_counts(items) == recorded_counts(events)
    ends = [item.reason for item in items if isinstance(item, TurnEnd)]
    return ends[-1] if ends else None


def two_calls(first: str, second: str) -> dict[str, Any]:
    calls = [tool("Bash", command=command)["tools"][0] for command in (first, second)]
    return {"text": "Both.", "tools": calls}


@pytest.mark.parametrize(
    "steps",
    [
        [DONE],
        [{"thinking": "hmm", "text": "let me see", **tool("Bash", command="echo hi")}, DONE],
        [two_calls("echo 1", "echo oops >&2; exit 3"), two_calls("true", "echo 2"), DONE],
        [tool("Nonsense", a=1), tool("Read", file_path="/nowhere/at/all"), DONE],
    ],
    ids=["text", "thinking", "several calls", "failures"],
)
def test_imported_run_equals_the_recorded_one(claude: Claude, steps: list[Any]) -> None:
    claude.allow("Bash", "Read")
    events = events_of(claude, script(*steps))
    assert compare(claude, events) == "completed"


def test_imported_denial_equals_the_recorded_one(claude: Claude) -> None:
    call = tool("Bash", command="python3 -c pass")
    compare(claude, events_of(claude, script(call, DONE), permission_mode="default"))


def test_imported_image_equals_the_recorded_one(claude: Claude) -> None:
    claude.allow("Read")
    pixel = (
        "89504e470d0a1a0a0000000d494844520000000100000001080600000"
        "01f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
    path = claude.spec.project_dir / "pixel.png"
    path.write_bytes(bytes.fromhex(pixel))
    compare(claude, events_of(claude, script(tool("Read", file_path=str(path)), DONE)))


def test_imported_command_equals_the_recorded_one(claude: Claude) -> None:
    commands = claude.spec.project_dir / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "greet.md").write_text("Greet $ARGUMENTS.")
    compare(claude, events_of(claude, "/greet the heron"))


def test_imported_skill_and_hook_equal_the_recorded_ones(claude: Claude) -> None:
    skill = claude.home / ".claude" / "skills" / "fly" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: fly\ndescription: how to fly\n---\nFlap.")
    told = claude.spec.project_dir / "told"
    command = f"[ -e {told} ] && exit 0; touch {told}; echo continue >&2; exit 2"
    hooks = {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}
    allowed = {"permissions": {"allow": ["Skill"]}, "hooks": hooks}
    (claude.home / ".claude" / "settings.json").write_text(json.dumps(allowed))
    events = events_of(claude, script(tool("Skill", skill="fly"), {"text": "flown"}, DONE))
    assert compare(claude, events) == "completed"
    said = [text_of(event) for event in only(events, "message") if event.get("origin")]
    assert (len(said), told.exists()) == (2, True)


@pytest.mark.parametrize("background", ["0", "1"])
def test_imported_subagent_equals_the_recorded_one(claude: Claude, background: str) -> None:
    claude.allow("Bash", "Agent", "Task")
    steps = [{"thinking": "where?", "text": "I look.", **tool("Bash", command="echo inside")}]
    inner = script(*steps, {"text": "found it"})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    prompt = script(call, {"text": "waiting"}, {"text": "it is found"})
    environment = {**claude.environment, "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": background}
    events = events_of(claude, prompt, environment=environment)
    assert compare(claude, events) == "completed"


def test_imported_api_error_ends_the_turn_as_failed(claude: Claude) -> None:
    error = {"status": 400, "type": "invalid_request_error", "message": "this was too much"}
    events = events_of(claude, script({"text": "one", **tool("Bash")}, {"error": error}))
    assert compare(claude, events) == "failed"


def test_imported_message_to_a_running_agent_has_its_id(claude: Claude) -> None:
    claude.allow("Bash")

    gate = claude.spec.project_dir / "gate"
    os.mkfifo(gate)

    async def act() -> list[Event]:
        prompt = script(tool("Bash", command="cat gate"), DONE, DONE)
        executor = ClaudeExecutor(claude.execution, cli_path=claude.cli_path)
        events: list[Event] = []
        async with aclosing(executor.run(prompt)) as stream:
            async for event in stream:
                events.append(event)
                if event["event_type"] == "pre_tool":
                    await executor.send("Leave the logout test alone.", MESSAGE_ID)
                    await asyncio.to_thread(gate.write_text, "opened")
        return events

    recorded = run(act())
    sent = [e for e in in_transcripts(imported(claude)) if e["event_id"] == MESSAGE_ID]
    assert [text_of(event) for event in sent] == ["Leave the logout test alone."]
    others = [e for e in in_transcripts(imported(claude)) if e["event_id"] != MESSAGE_ID]
    assert lanes(others) == lanes(recorded)


def test_imported_compaction_equals_the_recorded_one(claude: Claude) -> None:
    first = events_of(claude, script({"text": "the word is heron"}))
    events = [*first, *events_of(claude, "/compact", resume=True)]
    items = imported(claude)
    # Claude Code writes the command after the summary that the command has caused.
    (recorded,), (found,) = lanes(events).values(), lanes(in_transcripts(items)).values()
    assert sorted(found, key=str) == sorted(recorded, key=str)
    assert [item.reason for item in items if isinstance(item, TurnEnd)][-1] == "completed"


def test_imported_long_output_is_whole(claude: Claude) -> None:
    claude.allow("Bash")
    events = events_of(claude, script(tool("Bash", command="seq 30000"), DONE))
    (recorded,) = only(events, "post_tool")
    (found,) = only(in_transcripts(imported(claude)), "post_tool")
    assert recorded["tool_output"].startswith("<persisted-output>")  # the agent saw the beginning
    assert found["tool_output"].split() == [str(number) for number in range(1, 30001)]
    assert found["event_id"] == recorded["event_id"]


def test_imported_interruption_equals_the_recorded_one(claude: Claude) -> None:
    interrupted = interrupted_call(claude)
    compare(claude, interrupted)
    compare(claude, [*interrupted, *events_of(claude, script(DONE), resume=True)])
