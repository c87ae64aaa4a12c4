"""Requests for permission: answered by kind, by the mode, or by a person (promise 9)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.questions import (
    Choice,
    ChoiceKind,
    Decision,
    Question,
    QuestionKind,
    Verdict,
)
from tests.acp.conftest import DONE, SERVE, Acp, Step, ask, call, of_type, text, texts, update
from tests.acp.test_acp_turns import serve_of, stop_of
from tests.support.loops import run
from tests.support.rows import each_row

REJECTED = {"outcome": {"outcome": "selected", "optionId": "id-reject_once"}}
ALLOWED = {"outcome": {"outcome": "selected", "optionId": "id-allow_once"}}
CANCELLED = {"outcome": {"outcome": "cancelled"}}
RUN = call(kind="execute", title="ls", rawInput={"command": "ls"})


class Person:
    """Decides each question in the same way, and keeps the questions."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.questions: list[Question] = []

    async def __call__(self, question: Question) -> Decision:
        self.questions.append(question)
        return self.decision


def seen_until_stopped(acp: Acp, *steps: Step) -> list[Event]:
    """Return the events of a run that is stopped while it waits for an answer of a person."""

    async def scenario() -> list[Event]:
        asked = asyncio.Event()

        async def never(_: Question) -> Decision:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        acp.ask = never
        executor = acp.executor(*steps)
        seen = []

        async def follow() -> None:
            async with aclosing(executor.run("Do it.")) as events:
                async for event in events:
                    seen.append(event)

        task = asyncio.create_task(follow())
        await asked.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        return seen

    return run(scenario())


def outcomes(acp: Acp) -> list[Any]:
    return [answer["result"] for answer in acp.answers()]


@each_row(
    "kinds, expected",
    [
        (("reject_always", "reject_once", "allow_once"), REJECTED),
        (("allow_once", "allow_always", "reject_once"), REJECTED),
        (("allow_once", "reject_always", "consent"), CANCELLED),
        (("reject_once", "reject_once"), CANCELLED),  # one id for both: it says nothing
        *((odd, CANCELLED) for odd in ((), 5, -1.5, True, "no", {"a": 1}, [5, {"kind": {}}])),
    ],
)
def test_request_is_refused_by_kind(acp: Acp, kinds: Any, expected: dict[str, Any]) -> None:
    acp.mode = "dontAsk"
    is_known = isinstance(kinds, tuple) and kinds
    request = ask(*kinds) if is_known else ["ask", {"options": kinds}]
    events = acp.play(SERVE, RUN, request, text("Then not."), DONE)
    assert outcomes(acp) == [expected]
    assert len(acp.sent("session/cancel")) == (expected is CANCELLED)
    assert len(of_type(events, "permission_denied")) == 1
    assert stop_of(events)[0] == "completed"


@each_row(
    "kind, path, expected",
    [
        ("edit", "src/a.py", ALLOWED),
        ("edit", "{project}/a.py", ALLOWED),
        ("edit", "../a.py", REJECTED),
        ("edit", "/etc/passwd", REJECTED),
        ("edit", ".git/hooks/pre-commit", REJECTED),
        ("edit", ".envrc", REJECTED),
        ("edit", "link/a.py", REJECTED),
        ("edit", None, REJECTED),
        ("execute", "a.py", REJECTED),
    ],
)
def test_accepted_edits_stay_in_the_project(
    acp: Acp, kind: str, path: str | None, expected: dict[str, Any]
) -> None:
    acp.mode = "acceptEdits"
    link = acp.project / "link"
    if not link.is_symlink():
        link.symlink_to("/tmp")
    tool_input = {} if path is None else {"path": path.format(project=acp.project)}
    acp.play(SERVE, call(kind=kind, rawInput=tool_input), ask(), text("Done."), DONE)
    assert outcomes(acp) == [expected]


def test_person_sees_the_whole_call(acp: Acp) -> None:
    """An agent cuts the request short, or sends only the id of its call."""
    acp.preset, acp.mode = "kimi", "acceptEdits"
    acp.ask = person = Person(Decision(verdict=Verdict.ALLOW))
    long = "echo " + "x" * 200
    content = [{"type": "content", "content": {"type": "text", "text": f'{{"command": "{long}"}}'}}]
    cut = [{"type": "content", "content": {"type": "text", "text": "Running: echo xx…"}}]
    change = {"type": "diff", "path": "/a.txt", "oldText": "one\n", "newText": "two\n"}
    events = acp.play(
        serve_of("kimi"),
        call(title="Bash", kind="execute", status="pending", content=content),
        ask(title="Bash", content=cut),
        update(status="completed", rawOutput="x"),
        call("call-2", title="Write", kind="edit", status="pending"),
        ask(call_id="call-2", content=[change]),
        update("call-2", status="completed"),
        text("Done."),
        DONE,
    )
    first, second = person.questions
    assert first.tool_name == "Bash" and first.tool_input == {"command": long}
    assert [choice.kind for choice in first.choices] == [
        ChoiceKind.ALLOW_ALWAYS, ChoiceKind.ALLOW, ChoiceKind.DENY,
    ]  # fmt: skip
    assert second.kind is QuestionKind.EDIT and "-one\n+two\n" in (second.diff or "")
    assert outcomes(acp) == [ALLOWED, ALLOWED]
    assert of_type(events, "post_tool")[1]["diff"] == second.diff


ALWAYS = Choice(choice_id="id-allow_always", kind=ChoiceKind.ALLOW_ALWAYS, label="Always")


@each_row(
    "decision, option",
    [
        (Decision(verdict=Verdict.ALLOW), "id-allow_once"),
        (Decision(verdict=Verdict.ALLOW, choice=ALWAYS), "id-allow_always"),
        (Decision(verdict=Verdict.ALLOW, choice=replace(ALWAYS, choice_id="x")), "id-allow_once"),
        (Decision(verdict=Verdict.DENY), "id-reject_once"),
        (Decision(verdict=Verdict.DENY, choice=ALWAYS), "id-reject_once"),
        (Decision(verdict=Verdict.TIMED_OUT), "id-reject_once"),
    ],
)
def test_decision_becomes_the_agents_option(acp: Acp, decision: Decision, option: str) -> None:
    acp.ask = Person(decision)
    acp.play(SERVE, RUN, ask(), text("Done."), DONE, ["await", "session/prompt"], text("OK"), DONE)
    assert outcomes(acp) == [{"outcome": {"outcome": "selected", "optionId": option}}]


def test_words_with_a_refusal_are_the_next_turn(acp: Acp) -> None:
    """The protocol has no place for them, and a time-out is no refusal by a person."""
    acp.ask = Person(Decision(verdict=Verdict.TIMED_OUT, text="no person answered"))
    again = ["await", "session/prompt"]
    events = acp.play(SERVE, RUN, ask(), DONE, again, text("Without it."), DONE)
    assert stop_of(events) == ("completed", None)
    _, second = acp.sent("session/prompt")
    assert second["prompt"][0]["text"] == "ls: no person answered"


@each_row(
    "end",
    [
        [],  # as Gemini CLI, which says nothing more of the call
        [update(status="failed", rawOutput="rejected")],
        [update(status="completed", rawOutput="cancelled")],
    ],
)
def test_denied_call_ends_with_the_reason_before_the_next_words(acp: Acp, end: list[Step]) -> None:
    """Promise 4, whatever the agent says of the call."""
    acp.ask = Person(Decision(verdict=Verdict.DENY, text="use make"))
    late = update(status="failed", rawOutput="late")
    again = ["await", "session/prompt"]
    events = acp.play(
        SERVE, RUN, ask(), *end, text("I leave it."), late, DONE, again, text("So be it."), DONE
    )
    kinds = [(event["event_type"], event.get("role")) for event in events]
    (post,) = of_type(events, "post_tool")
    assert post["error"] == "use make"
    assert kinds.index(("post_tool", None)) < kinds.index(("message", "assistant"))


def test_call_that_a_stop_has_ended_has_an_error(acp: Acp) -> None:
    """Promise 4: some agents report such a call as completed."""

    async def scenario() -> list[Event]:
        executor = acp.executor(
            SERVE, RUN, ["await", "session/cancel"],
            update(status="completed", rawOutput="interrupted"),
            ["done", {"stopReason": "cancelled"}],
        )  # fmt: skip
        seen: list[Event] = []
        is_running = asyncio.Event()

        async def follow() -> None:
            async with aclosing(executor.run("Do it.")) as events:
                async for event in events:
                    seen.append(event)
                    if event["event_type"] == "pre_tool":
                        is_running.set()

        following = asyncio.create_task(follow())
        await is_running.wait()
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        return seen

    (post,) = of_type(run(scenario()), "post_tool")
    assert post["error"] == "it ended when its turn was cancelled"


def test_stop_answers_open_questions_first(acp: Acp) -> None:
    """Promise 7: an agent that waits for its answer does not see that its turn is cancelled."""
    seen = seen_until_stopped(
        acp, SERVE, text("I will."), RUN, ask(), ["await", "session/cancel"], text("Last words."),
        ["done", {"stopReason": "cancelled"}],
    )  # fmt: skip
    assert texts(seen) == ["I will.", "Last words."]
    assert outcomes(acp) == [CANCELLED]
    order = [each.get("method", "answer") for each in acp.sent()][-2:]
    assert order == ["answer", "session/cancel"]


def test_request_is_refused_if_asking_fails(acp: Acp) -> None:
    """The task that asks is not awaited: its error was lost, and the agent waited."""

    async def fail(_: Question) -> Decision:
        raise OSError("no space left")

    acp.ask = fail
    events = acp.play(SERVE, RUN, ask(), text("Then not."), DONE)
    assert [answer["error"]["code"] for answer in acp.answers()] == [-32602]
    (note,) = of_type(events, "diagnostic")
    assert "session/request_permission" in note["content"][0]["text"]
    assert "no space left" in note["content"][0]["text"]
    assert stop_of(events)[0] == "completed"


def test_two_requests_with_one_id_have_two_answers(acp: Acp) -> None:
    acp.ask = person = Person(Decision(verdict=Verdict.ALLOW))
    same = {"id": "same", "method": "session/request_permission"}
    tells: list[Step] = [["tell", {**same, "params": ask()[1]}] for _ in range(2)]
    events = acp.play(SERVE, RUN, *tells, ["await", None], ["await", None], text("So."), DONE)
    assert len(person.questions) == len(acp.answers()) == 2
    assert stop_of(events)[0] == "completed"
