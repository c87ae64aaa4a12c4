"""Runs of the real Claude Code whose transcripts have parts of their own, beside the record.

The tests of the executor compare both records of ordinary runs.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing

import pytest

from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.history.items import TurnEnd
from tests.claude.both_records import compare, imported, in_transcripts, lanes
from tests.claude.claude_events import events_of, only, text_of
from tests.claude.conftest import Claude
from tests.support.loops import run
from tests.support.model_server import script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-executor")

DONE = {"text": "done"}
MESSAGE_ID = "5e1a3c9e-0f5c-4a3f-9b61-8f5fb0a1c0de"


def test_imported_skill_hook_and_results_equal_recorded(claude: Claude) -> None:
    """Also call a tool that does not exist, read a file that does not exist, and read an image."""
    skill = claude.home / ".claude" / "skills" / "fly" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: fly\ndescription: how to fly\n---\nFlap.")
    told = claude.spec.project_dir / "told"
    command = f"[ -e {told} ] && exit 0; touch {told}; echo continue >&2; exit 2"
    hooks = {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}
    allowed = {"permissions": {"allow": ["Skill", "Read"]}, "hooks": hooks}
    claude.settings.write_text(json.dumps(allowed))
    pixel = (
        "89504e470d0a1a0a0000000d494844520000000100000001080600000"
        "01f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
    )
    path = claude.spec.project_dir / "pixel.png"
    path.write_bytes(bytes.fromhex(pixel))
    read = [tool("Read", file_path=name) for name in ("/nowhere/at/all", str(path))]
    steps = [tool("Nonsense", a=1), *read, tool("Skill", skill="fly"), {"text": "flown"}, DONE]
    events = events_of(claude, script(*steps))
    assert compare(claude, events) == "completed"
    said = [text_of(event) for event in only(events, "message") if event.get("origin")]
    assert (len(said), told.exists()) == (2, True)


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


def test_commands_have_their_origin_in_both_records(claude: Claude) -> None:
    """One command is of the project; the other one is the compaction of Claude Code itself."""
    commands = claude.spec.project_dir / ".claude" / "commands"
    commands.mkdir(parents=True)
    (commands / "greet.md").write_text("Greet $ARGUMENTS.")
    first = events_of(claude, "/greet the heron")
    compare(claude, first)
    events = [*first, *events_of(claude, "/compact", resume=True)]
    users = [event for event in only(events, "message") if event["role"] == "user"]
    assert [event.get("origin") for event in users] == [None, None, "compaction", "command"]
    assert "session is being continued" in text_of(users[2])
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
