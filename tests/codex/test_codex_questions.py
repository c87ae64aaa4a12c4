"""Promise 9: questions of Codex, decided by a person."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.questions import (
    ChoiceKind,
    Decision,
    Question,
    QuestionKind,
    Verdict,
)
from tests.codex.conftest import Codex, compare, only, text_of
from tests.codex.scripted import END, SAID, error_of, executor_of, play
from tests.support.loops import run
from tests.support.model_server import script, tool
from tests.support.rows import each_row

pytestmark = pytest.mark.xdist_group("codex-executor")

COMMAND = "item/commandExecution/requestApproval"
ELICITATION = "mcpServer/elicitation/request"
RULE = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["git", "push"]}}
ASKED = {
    "itemId": "c1", "threadId": "THREAD", "command": "git push", "cwd": "/p", "reason": "to share",
    "availableDecisions": ["accept", RULE, "cancel"],
}  # fmt: skip


class Person:
    """A person who decides every question in the same way."""

    def __init__(self, verdict: Verdict, kind: ChoiceKind | None = None, **fields: Any) -> None:
        self.questions: list[Question] = []
        self._verdict, self._kind, self._fields = verdict, kind, fields

    async def ask(self, question: Question) -> Decision:
        self.questions.append(question)
        chosen = [choice for choice in question.choices if choice.kind is self._kind]
        choice = chosen[0] if chosen else None
        return Decision(verdict=self._verdict, choice=choice, **self._fields)


def result(events: list[Event]) -> Any:
    """Return the answer that the scripted app-server has got."""
    return json.loads(text_of(only(events, "message")[1]))


@each_row(
    "verdict, kind, decision",
    [
        (Verdict.ALLOW, ChoiceKind.ALLOW, "accept"),
        (Verdict.ALLOW, ChoiceKind.ALLOW_ALWAYS, RULE),
        (Verdict.ALLOW, None, "accept"),
        (Verdict.DENY, ChoiceKind.DENY, "decline"),
        (Verdict.TIMED_OUT, None, "decline"),
        (Verdict.CANCELLED, None, "cancel"),
    ],
)
def test_each_decision_has_its_answer(
    tmp_path: Path, verdict: Verdict, kind: ChoiceKind | None, decision: object
) -> None:
    person = Person(verdict, kind)
    call = ["call", "c1", "exec_command", {"cmd": "git push", "workdir": "/p"}]
    events = play(tmp_path, call, ["ask", COMMAND, ASKED], SAID, END, ask=person.ask)
    assert result(events) == {"decision": decision}
    (question,) = person.questions
    assert (question.kind, question.why, question.tool_use_id) == (
        QuestionKind.TOOL, "to share", "c1",
    )  # fmt: skip
    assert question.tool_input == {"cmd": "git push", "workdir": "/p"}
    assert [choice.label for choice in question.choices] == [
        "Allow once",
        "Always allow commands that begin with `git push`, in all projects",
        "Deny",
    ]
    assert error_of(events) is None
    assert not only(events, "permission_denied")  # it is denied by a person, not by a mode


def test_questions_of_servers_and_of_the_model_are_answered(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "enum": ["a", "b"]}}}
    form = {"serverName": "t", "message": "Which?", "requestedSchema": schema}
    options = [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}]
    about = {"id": "colour", "header": "Colour", "question": "Which one?", "options": options}
    model = {"itemId": "q1", "threadId": "THREAD", "questions": [about], "isBlocking": True}
    person = Person(Verdict.ANSWERED, answers={"name": ("a",), "colour": ("red",)})
    of_server = play(tmp_path, ["ask", ELICITATION, form], SAID, END, ask=person.ask)
    assert result(of_server)["action"] == "accept"
    assert result(of_server)["content"]["name"] == "a"
    asked = ["ask", "item/tool/requestUserInput", model]
    of_model = play(tmp_path, asked, SAID, END, ask=person.ask)
    assert result(of_model)["answers"]["colour"] == {"answers": ["red"]}
    server, user = person.questions
    assert ([item.item_id for item in server.items], server.choices) == (["name"], ())
    (item,) = user.items
    assert (item.header, [option.label for option in item.options], item.is_free) == (
        "Colour", ["red", "blue"], False,
    )  # fmt: skip


def test_unasked_questions_are_denied_at_once(tmp_path: Path) -> None:
    asks = [COMMAND, "item/fileChange/requestApproval", "item/permissions/requestApproval"]
    for method in asks:
        events = play(tmp_path, ["ask", method, ASKED], SAID, END)
        answer = result(events)
        assert answer in ({"decision": "decline"}, {"permissions": {}, "scope": "turn"})
        (denied,) = only(events, "permission_denied")
        assert (denied["tool_use_id"], denied["event_id"]) == ("c1", "c1:denied")
    form = {"serverName": "t", "message": "Which?"}
    assert result(play(tmp_path, ["ask", ELICITATION, form], SAID, END)) == {"action": "decline"}
    questions = ["ask", "item/tool/requestUserInput", {"itemId": "q", "questions": []}]
    assert "code" in result(play(tmp_path, questions, SAID, END))


def test_withdrawn_question_is_cancelled(tmp_path: Path) -> None:
    """Codex answers one itself and continues; the run ends while another one is open."""
    cancelled: list[str | None] = []

    async def ask(question: Question) -> Decision:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(question.tool_use_id)
        raise AssertionError

    asked = [
        ["raw", json.dumps({"id": number, "method": COMMAND, "params": {"itemId": number}})]
        for number in ("a", "b")
    ]
    resolved = ["send", "serverRequest/resolved", {"threadId": "THREAD", "requestId": "a"}]
    events = play(tmp_path, *asked, resolved, SAID, END, ask=ask)
    assert error_of(events) is None
    assert cancelled == ["a", "b"]


def test_text_of_a_refusal_comes_before_the_refusal(tmp_path: Path) -> None:
    """The turn waits for the refusal. After it the turn could end before it has the text."""
    person = Person(Verdict.DENY, ChoiceKind.DENY, text="not today")
    play(tmp_path, ["ask", COMMAND, ASKED], SAID, END, ask=person.ask)
    (received,) = tmp_path.glob("*/received.jsonl")
    messages = [json.loads(line) for line in received.read_text().splitlines()]
    told = next(number for number, each in enumerate(messages) if "turn/steer" in each.values())
    assert messages[told]["params"]["input"][0]["text"] == "not today"
    assert messages[told + 1]["result"] == {"decision": "decline"}


def test_real_codex_waits_for_the_decision_of_a_person(codex: Codex) -> None:
    """Allow a patch outside of the project, and time out a command outside of the sandbox."""
    outside = Path(os.environ.get("XDG_RUNTIME_DIR", "/var/tmp")) / f"{codex.execution.session_id}"
    patch = f"*** Begin Patch\n*** Add File: {outside}\n+a line\n*** End Patch"
    edit = tool("exec_command", cmd=f"apply_patch <<'EOP'\n{patch}\nEOP")
    asked = {"sandbox_permissions": "require_escalated", "justification": "to see"}
    steps = [edit, tool("exec_command", cmd="echo out", **asked), {"text": "so be it"}]
    questions: list[Question] = []

    async def ask(question: Question) -> Decision:
        questions.append(question)
        if question.kind is QuestionKind.EDIT:
            return Decision(verdict=Verdict.ALLOW, choice=question.choices[0])
        return Decision(verdict=Verdict.TIMED_OUT, text="no person answered")

    try:
        events = codex.events(script(*steps, {"text": "done"}), ask=ask)
        assert outside.read_text() == "a line\n"
    finally:
        outside.unlink(missing_ok=True)
    edit_question, command_question = questions
    assert edit_question.diff == f"add {outside}\na line\n"
    assert edit_question.tool_input == edit["tools"][0]["input"]
    assert (command_question.why, command_question.tool_name) == ("to see", "exec_command")
    assert error_of(events) is None
    told = [text_of(event) for event in only(events, "message") if event["role"] == "user"]
    assert told[-1] == "Run /bin/bash -lc 'echo out': no person answered"
    compare(codex, events)


def test_question_is_withdrawn_when_the_run_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_orchestrator.codex.executor.INTERRUPT_SECONDS", 0.05)

    async def act() -> bool:
        opened, withdrawn = asyncio.Event(), asyncio.Event()

        async def ask(question: Question) -> Decision:
            opened.set()
            try:
                await asyncio.Event().wait()
            finally:
                withdrawn.set()
            raise AssertionError

        acts = [["ask", COMMAND, ASKED], SAID, END]
        executor = executor_of(tmp_path, ask=ask)

        async def read() -> None:
            async for _ in executor.run(json.dumps(acts)):
                pass

        reading = asyncio.create_task(read())
        await opened.wait()
        reading.cancel()
        await asyncio.wait({reading})
        return withdrawn.is_set() and reading.cancelled()

    assert run(act())


def test_request_is_refused_if_asking_fails(tmp_path: Path) -> None:
    async def fail(_: Question) -> Decision:
        raise OSError("no space left")

    call = ["call", "c1", "exec_command", {"cmd": "ls"}]
    events = play(tmp_path, call, ["ask", COMMAND, ASKED], SAID, END, ask=fail)
    (note,) = only(events, "diagnostic")
    assert "no space left" in text_of(note)
    assert events[-1]["event_type"] == "session_stop"
