"""Forms of an agent: shown to a person who can be asked, and advertised only then."""

from __future__ import annotations

from typing import Any

from agent_orchestrator.executors.questions import (
    ChoiceKind,
    Decision,
    QuestionKind,
    Verdict,
)
from tests.acp.conftest import DONE, SERVE, Acp, call, of_type, text
from tests.acp.test_acp_permissions import Person, outcomes, seen_until_stopped
from tests.acp.test_acp_turns import stop_of
from tests.support.rows import each_row

FIELD = {"type": "string", "title": "Colour", "oneOf": [{"const": "b", "title": "Blue"}]}
FORM = {
    "mode": "form",
    "toolCallId": "call-1",
    "message": "Which colour?",
    "requestedSchema": {"type": "object", "properties": {"q0": FIELD}, "required": ["q0"]},
}
SHOW = ["ask", FORM, "elicitation/create"]
ASKED = call(title="AskUserQuestion", rawInput={"questions": ["Which colour?"]})
AGAIN = [["await", "session/prompt"], text("Without it."), DONE]


@each_row(
    "decision, answer, next_turn",
    [
        (
            Decision(verdict=Verdict.ANSWERED, answers={"q0": ("Blue",)}),
            {"action": "accept", "content": {"q0": "b"}},
            None,
        ),
        (Decision(verdict=Verdict.DENY), {"action": "decline"}, None),
        (Decision(verdict=Verdict.DENY, text="green"), {"action": "decline"}, "green"),
        (
            Decision(verdict=Verdict.TIMED_OUT, text="no person answered"),
            {"action": "decline"},
            "Which colour?: no person answered",
        ),
    ],
)
def test_person_fills_the_form(
    acp: Acp, decision: Decision, answer: dict[str, Any], next_turn: str | None
) -> None:
    acp.ask = person = Person(decision)
    events = acp.play(SERVE, ASKED, SHOW, text("So."), DONE, *(AGAIN if next_turn else []))
    assert outcomes(acp) == [answer]
    assert [each["prompt"][0]["text"] for each in acp.sent("session/prompt")[1:]] == (
        [next_turn] if next_turn else []
    )
    (question,) = person.questions
    assert (question.kind, question.title, question.tool_use_id, question.tool_name) == (
        QuestionKind.QUESTION, "Which colour?", "call-1", "AskUserQuestion",
    )  # fmt: skip
    assert [item.item_id for item in question.items] == ["q0"] and not question.choices
    assert stop_of(events)[0] == "completed"
    (told,) = acp.sent("initialize")
    assert told["clientCapabilities"] == {"elicitation": {"form": {}}}


def test_form_without_fields_is_accepted_or_declined(acp: Acp) -> None:
    acp.ask = person = Person(Decision(verdict=Verdict.ALLOW))
    acp.play(SERVE, ["ask", {"mode": "form", "message": "Go?"}, SHOW[2]], text("So."), DONE)
    (question,) = person.questions
    kinds = [choice.kind for choice in question.choices]
    assert (question.kind, kinds) == (QuestionKind.MCP, [ChoiceKind.ALLOW, ChoiceKind.DENY])
    assert outcomes(acp) == [{"action": "accept", "content": {}}]


def test_form_is_not_offered_if_no_person_is_asked(acp: Acp) -> None:
    acp.play(SERVE, SHOW, text("So."), DONE)
    (told,) = acp.sent("initialize")
    assert told["clientCapabilities"] == {}
    (answer,) = acp.answers()
    assert answer["error"]["code"] == -32601
    acp.ask = Person(Decision(verdict=Verdict.ALLOW))
    acp.play(SERVE, ["ask", {**FORM, "mode": "url"}, SHOW[2]], text("So."), DONE)
    (answer,) = acp.answers()
    assert answer["error"]["code"] == -32601


def test_open_form_is_cancelled_when_the_run_is_stopped(acp: Acp) -> None:
    done = ["done", {"stopReason": "cancelled"}]
    seen = seen_until_stopped(acp, SERVE, ASKED, SHOW, ["await", "session/cancel"], done)
    assert not of_type(seen, "permission_denied")
    assert outcomes(acp) == [{"action": "cancel"}]
