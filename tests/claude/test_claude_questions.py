"""Questions of the real Claude Code: permissions, edits, plans, MCP tools, and its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.agents.agent import Agent
from agent_orchestrator.claude.executor import ClaudeExecutor
from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.questions import (
    ChoiceKind,
    Decision,
    Question,
    QuestionKind,
    Verdict,
)
from agent_orchestrator.runs.supervision.drive import StopOrder, drive
from agent_orchestrator.runs.supervision.questions import Questions
from tests.claude.both_records import compare
from tests.claude.claude_events import only
from tests.claude.conftest import Claude
from tests.claude.notes_server import notes_server
from tests.support.loops import run
from tests.support.model_server import ModelServer, script, tool

pytestmark = pytest.mark.xdist_group("claude-executor")

LATE = "no person answered within 10 min; this is not a refusal by a person"
COLOR = {
    "question": "Which color?",
    "header": "Color",
    "multiSelect": False,
    "options": [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}],
}
Answer = Callable[[Question], Decision]


def choose(kind: ChoiceKind, text: str | None = None, *, label: str = "") -> Answer:
    def answer(question: Question) -> Decision:
        fitting = [c for c in question.choices if c.kind is kind and label in c.label]
        verdict = Verdict.DENY if kind is ChoiceKind.DENY else Verdict.ALLOW
        return Decision(verdict=verdict, choice=fitting[0], text=text)

    return answer


def test_every_kind_of_question_gets_its_answer(claude: Claude, model: ModelServer) -> None:
    claude.allow("Agent")
    file = claude.spec.project_dir / "colors.txt"
    inner = script(tool("Bash", command="touch inner"), {"text": "found it"})
    delegate = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    file.write_text("red\ngreen\n")
    tested: list[tuple[dict[str, Any], Answer | None]] = [
        (tool("Bash", command="touch made; echo hi"), choose(ChoiceKind.ALLOW)),
        (tool("Bash", command="touch denied"), choose(ChoiceKind.DENY, "use make")),
        (
            tool("Bash", command="touch late"),
            lambda _: Decision(verdict=Verdict.TIMED_OUT, text=LATE),
        ),
        (delegate, choose(ChoiceKind.ALLOW)),  # asked about the call of the subagent
        (tool("mcp__notes__recall"), choose(ChoiceKind.ALLOW)),
        (
            tool("Write", file_path=str(file.parent / "new.txt"), content="a\n"),
            choose(ChoiceKind.ALLOW),
        ),
        (tool("Read", file_path=str(file)), None),
        (
            tool("Edit", file_path=str(file), old_string="green", new_string="blue"),
            choose(ChoiceKind.ALLOW_ALWAYS, label="permission mode acceptEdits"),
        ),
        # Not asked, because of the answer before.
        (tool("Edit", file_path=str(file), old_string="red", new_string="pink"), None),
        (
            tool("AskUserQuestion", questions=[COLOR]),
            lambda q: Decision(verdict=Verdict.ANSWERED, answers={q.items[0].item_id: ("blue",)}),
        ),
    ]
    asked: list[Question] = []
    recorded: list[Event] = []
    had_call: list[bool] = []
    answers = iter([answer for _, answer in tested if answer is not None])

    async def person(question: Question) -> Decision:
        asked.append(question)
        calls = [event.get("tool_use_id") for event in recorded]
        had_call.append(question.tool_use_id in calls)
        return next(answers)(question)

    async def act() -> None:
        agent = Agent(name="n", source=Path("n.json"), mcp_servers={"notes": notes_server()})
        steps = [*[step for step, _ in tested], {"text": "done"}]
        async for event in claude.start(
            script(*steps), person=person, permission_mode="default", agent=agent
        ):
            recorded.append(event)

    run(act())
    kinds = [question.kind for question in asked]
    Kind = QuestionKind
    assert kinds == [
        *[Kind.TOOL] * 4, Kind.MCP, Kind.EDIT, Kind.EDIT, Kind.QUESTION,
    ]  # fmt: skip
    assert had_call == [True] * len(asked)  # each question comes after its call
    first, denied = asked[:2]
    assert first.tool_input == {"command": "touch made; echo hi"}
    assert first.title == "Bash: touch made; echo hi"
    assert str(file.parent / "made") in str(first.why)
    scopes = [c.label for c in first.choices if c.kind is ChoiceKind.ALLOW_ALWAYS]
    assert "(.claude/settings.local.json)" in scopes[0]
    parents = [question.parent_tool_use_id for question in asked]
    (agent_call,) = [e for e in only(recorded, "pre_tool") if e["tool_name"] == "Agent"]
    assert parents == [None] * 3 + [agent_call["tool_use_id"]] + [None] * 4
    assert asked[5].diff == f"--- {file.parent}/new.txt\n+++ {file.parent}/new.txt\n" + (
        "@@ -0,0 +1 @@\n+a\n"
    )
    assert "-green\n+blue\n" in str(asked[6].diff)
    posts = {event["tool_use_id"]: event for event in only(recorded, "post_tool")}
    errors = [posts[str(question.tool_use_id)].get("error") for question in asked]
    assert errors == [None, "use make", LATE, None, None, None, None, None]
    assert file.read_text() == "pink\nblue\n"
    assert sorted(path.name for path in file.parent.iterdir() if path.suffix != ".json") == [
        "colors.txt", "inner", "made", "new.txt",
    ]  # fmt: skip
    said = json.dumps(model.requests()[-1]["body"]["messages"])
    assert '\\"Which color?\\"=\\"blue\\"' in said and LATE in said
    assert [*(claude.home / ".claude").glob("settings*.json")] == [claude.settings]
    assert "acceptEdits" not in claude.settings.read_text()
    assert only(recorded, "permission_denied") == []  # each has its own record
    assert recorded[-1]["reason"] == "completed"
    assert compare(claude, recorded) == "completed"


def test_plan_is_asked_and_stop_cancels_an_open_question(claude: Claude) -> None:
    """The run is driven as a supervisor does it."""
    events: list[Event] = []
    order = StopOrder()

    def record(event: Event) -> None:
        events.append(event)
        if event["event_type"] != "permission_request":
            return
        loop = asyncio.get_running_loop()
        if event["kind"] == "plan":
            loop.call_soon(questions.answer, event["question_id"], {"choice": "allow"})
        else:
            loop.call_soon(order.stop)

    spec = replace(claude.spec, permission_mode="plan")
    questions = Questions("forever", directory=spec.project_dir, record=record)

    async def act() -> None:
        steps = [tool("ExitPlanMode"), tool("Bash", command="touch it")]
        execution = replace(claude.execution, spec=spec, ask=questions.ask)
        executor = ClaudeExecutor(execution, cli_path=claude.cli_path)
        await drive(executor, script(*steps), record, order=order, questions=questions)

    run(act())
    told = [e for e in events if e["event_type"].startswith("permission") or "reason" in e]
    assert [(e["event_type"], e.get("decision", e.get("kind"))) for e in told] == [
        ("permission_request", "plan"),
        ("permission_decided", "allow"),
        ("permission_request", "tool"),
        ("permission_decided", "cancelled"),
        ("session_stop", None),
    ]
    assert events[-1]["reason"] == "stopped"
    assert not (spec.project_dir / "it").exists()
