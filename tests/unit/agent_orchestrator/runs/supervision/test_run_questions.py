"""Questions of a run: one event when a question opens, one decision, one event when it closes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.questions import (
    Choice,
    Decision,
    Question,
    QuestionKind,
    Verdict,
)
from agent_orchestrator.runs.supervision.questions import MAX_OPEN, in_words
from tests.support.loops import SteppedLoop, run, run_stepped
from tests.support.rows import each_row
from tests.unit.agent_orchestrator.runs.supervision.asked_questions import (
    ALLOW,
    ALWAYS,
    ASKING,
    DENY,
    EVER,
    SHELL,
    Scene,
)


def said(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("timestamp", "question_id")}


def test_person_allows_once_and_both_events_are_recorded() -> None:
    async def act() -> Decision:
        asking = await scene.ask()
        assert not asking.done()
        assert scene.answer(choice="allow", text="go") == ("done", None)
        return await asking

    scene = Scene()
    assert run(act()) == Decision(verdict=Verdict.ALLOW, choice=ALLOW, text="go")
    asked, decided = scene.events
    question_id = asked["question_id"]
    assert str(UUID(question_id)) == question_id
    assert said(asked) == {
        "event_type": "permission_request",
        "event_id": f"{question_id}:asked",
        "kind": "tool",
        "title": "Run a command",
        "why": "not in the list of commands",
        "tool_name": "Bash",
        "tool_use_id": "call-1",
        "tool_input": {"command": "rm build"},
        "diff": "-old\n+new",
        "cwd": "/project",
        "parent_tool_use_id": "call-0",
        "choices": [
            {"id": "allow", "kind": "allow", "label": "Yes"},
            {
                "id": "allow_for_run",
                "kind": "allow_for_run",
                "label": "Allow this exact call until the run ends",
            },
            {"id": "allow_always", "kind": "allow_always", "label": ALWAYS.label},
            {"id": "allow_always_2", "kind": "allow_always", "label": EVER.label},
            {"id": "deny", "kind": "deny", "label": "No"},
        ],
    }
    assert said(decided) == {
        "event_type": "permission_decided",
        "event_id": f"{question_id}:decided",
        "tool_name": "Bash",
        "tool_use_id": "call-1",
        "parent_tool_use_id": "call-0",
        "decision": "allow",
        "by": "person",
        "choice": "allow",
        "text": "go",
    }
    assert decided["question_id"] == question_id


@each_row(
    "payload, expected",
    [
        ({"choice": "deny", "text": "use make"}, (Verdict.DENY, DENY, "use make")),
        ({"choice": "deny", "text": ""}, (Verdict.DENY, DENY, None)),
        ({"choice": "allow_always_2"}, (Verdict.ALLOW, EVER, None)),
        ({"choice": "allow_for_run"}, (Verdict.ALLOW, ALLOW, None)),
    ],
)
def test_executor_gets_the_choice_of_its_agent(
    payload: dict[str, Any], expected: tuple[Verdict, Choice, str | None]
) -> None:
    async def act() -> Decision:
        asking = await scene.ask()
        assert scene.answer(**payload) == ("done", None)
        return await asking

    scene = Scene()
    verdict, choice, text = expected
    assert run(act()) == Decision(verdict=verdict, choice=choice, text=text)
    assert scene.decided[0]["choice"] == payload["choice"]


def test_answers_are_given_by_item() -> None:
    async def act() -> Decision:
        asking = await scene.ask(ASKING)
        given = {"1": ["blue"], "2": ["S", "L"], "9": ["x"]}
        assert scene.answer(answers=given) == ("done", None)
        return await asking

    scene = Scene()
    answers = {"Which color?": ("blue",), "Sizes?": ("S", "L")}
    assert run(act()) == Decision(verdict=Verdict.ANSWERED, answers=answers)
    asked, decided = scene.events
    assert asked["items"] == [
        {
            "id": "1",
            "text": "Which color?",
            "header": "Color",
            "options": [{"label": "red", "description": "warm"}, {"label": "blue"}],
            "multiple": False,
            "free": True,
        },
        {"id": "2", "text": "Sizes?", "options": [], "multiple": True, "free": False},
    ]
    assert "choices" not in asked
    assert (decided["decision"], decided["answers"]) == (
        "answered",
        {"1": ["blue"], "2": ["S", "L"]},
    )


@each_row(
    "question, payload, problem",
    [
        (SHELL, {"choice": "yes"}, "has only the choices allow, allow_for_run, allow_always, "),
        (SHELL, {"answers": {"1": ["x"]}}, "has only the choices allow, "),
        (ASKING, {"choice": "allow"}, "has only the items 1, 2"),
        (ASKING, {"answers": {"1": []}}, "has only the items 1, 2"),
        (ASKING, {"answers": "red"}, "has only the items 1, 2"),
    ],
)
def test_answer_without_a_meaning_leaves_the_question_open(
    question: Question, payload: dict[str, Any], problem: str
) -> None:
    async def act() -> None:
        asking = await scene.ask(question)
        state, detail = scene.answer(**payload)
        assert state == "refused"
        assert problem in str(detail)
        assert not asking.done()
        asking.cancel()

    scene = Scene()
    run(act())


def test_first_of_two_answers_counts() -> None:
    async def act() -> Decision:
        asking = await scene.ask()
        assert scene.answer(choice="deny") == ("done", None)
        state, detail = scene.answer(choice="allow")
        assert (state, str(detail)[:10]) == ("refused", "denied at ")
        return await asking

    scene = Scene()
    assert run(act()).verdict is Verdict.DENY
    assert len(scene.decided) == 1
    assert scene.questions.answer("other", {}) == ("refused", "this run has no such question")


def test_time_out_is_no_refusal() -> None:
    async def act(loop: SteppedLoop) -> Decision:
        asking = await scene.ask()
        await loop.advance(599)
        assert not asking.done()
        await loop.advance(1)
        state, detail = scene.answer(choice="allow")
        assert (state, str(detail)[:13]) == ("refused", "timed out at ")
        return await asking

    scene = Scene("600")
    decision = run_stepped(act)
    assert (decision.verdict, decision.choice) == (Verdict.TIMED_OUT, None)
    text = "no person answered within 10 min; this is not a refusal by a person: "
    assert str(decision.text).startswith(text)
    assert scene.asked[0]["expires_at"] > scene.asked[0]["timestamp"]
    assert [(event["decision"], event["by"]) for event in scene.decided] == [
        ("timed_out", "policy")
    ]


def test_call_allowed_for_the_run_is_not_asked_again() -> None:
    async def act() -> list[Decision]:
        first = await scene.ask()
        scene.answer(choice="allow_for_run")
        again = await scene.ask()
        decisions = [await first, await again]
        for question in others:
            asking = await scene.ask(question)
            assert not asking.done()
            asking.cancel()
        return decisions

    others = [
        replace(SHELL, tool_input={"command": "rm -r build"}),
        replace(SHELL, tool_name="Shell"),
    ]
    scene = Scene()
    assert [decision.choice for decision in run(act())] == [ALLOW, ALLOW]
    assert len(scene.asked) == 1 + len(others)
    ruled = scene.decided[1]
    assert (ruled["decision"], ruled["by"], ruled["choice"]) == ("allow", "policy", "allow")
    assert (ruled["tool_name"], ruled["tool_use_id"]) == ("Bash", "call-1")
    assert ruled["question_id"] != scene.asked[0]["question_id"]


def test_call_with_an_unknown_input_has_no_choice_for_the_run() -> None:
    async def act() -> None:
        for question in (
            replace(SHELL, tool_input={}),
            replace(SHELL, kind=QuestionKind.PLAN),
            replace(SHELL, choices=(DENY,)),
        ):
            (await scene.ask(question)).cancel()

    scene = Scene()
    run(act())
    offered = [[choice["id"] for choice in event["choices"]] for event in scene.asked]
    assert [ids for ids in offered if "allow_for_run" in ids] == []
    assert len(offered) == 3


def test_more_open_questions_than_the_limit_are_refused() -> None:
    async def act() -> Decision:
        open_ones = [await scene.ask() for _ in range(MAX_OPEN)]
        refused = await (await scene.ask())
        assert not any(asking.done() for asking in open_ones)
        assert scene.answer(0, choice="allow") == ("done", None)
        open_ones.append(await scene.ask())  # there is room again
        for asking in open_ones:
            asking.cancel()
        return refused

    scene = Scene()
    refused = run(act())
    assert (refused.verdict, refused.choice) == (Verdict.DENY, DENY)
    assert str(MAX_OPEN) in str(refused.text)
    assert len(scene.asked) == MAX_OPEN + 1


def test_withdrawn_question_is_closed() -> None:
    async def act() -> None:
        asking = await scene.ask()
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert scene.answer(choice="allow")[0] == "refused"

    scene = Scene()
    run(act())
    assert [event["decision"] for event in scene.decided] == ["cancelled"]


def test_policy_deny_asks_no_person() -> None:
    assert Scene("deny").questions.ask is None


@each_row(
    "seconds, words",
    [(45.0, "45 s"), (90.0, "90 s"), (600.0, "10 min"), (7200.0, "2 h"), (86400.0, "1 d")],
)
def test_time_is_given_in_the_largest_unit(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
