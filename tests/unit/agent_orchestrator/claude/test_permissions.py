"""Requests of Claude Code for permission, as questions to a person."""

from __future__ import annotations

import asyncio

from claude_agent_sdk import PermissionResultAllow, ToolPermissionContext
from claude_agent_sdk.types import PermissionRuleValue, PermissionUpdate

from agent_orchestrator.claude.permissions import Permissions
from agent_orchestrator.claude.translation import Translation
from agent_orchestrator.events.prepare import create_event
from agent_orchestrator.executors.questions import ChoiceKind, Decision, Question, Verdict
from tests.support.loops import run

RULE = PermissionUpdate(
    type="addRules",
    behavior="allow",
    destination="userSettings",
    rules=[PermissionRuleValue("Bash", "make *"), PermissionRuleValue("Read")],
)
UPDATES = [
    RULE,
    PermissionUpdate(type="addRules", behavior="deny", rules=[PermissionRuleValue("Bash")]),
    PermissionUpdate(type="addDirectories", directories=["/a", "/b"], destination="session"),
    PermissionUpdate(type="setMode", mode="acceptEdits", destination="projectSettings"),
    PermissionUpdate(type="removeRules", behavior="allow", rules=[PermissionRuleValue("Bash")]),
]


def test_call_is_recorded_before_its_question_with_every_scope() -> None:
    asked: list[Question] = []

    async def ask(question: Question) -> Decision:
        asked.append(question)
        always = [c for c in question.choices if c.kind is ChoiceKind.ALLOW_ALWAYS]
        return Decision(verdict=Verdict.ALLOW, choice=always[0])

    async def act() -> object:
        permissions = Permissions(ask, {"call-1"}, Translation({}, {}, is_resume=False))
        context = ToolPermissionContext(suggestions=UPDATES, tool_use_id="call-1")
        deciding = asyncio.ensure_future(permissions.decide("Bash", {"command": "make"}, context))
        await permissions.note(create_event("pre_tool", tool_use_id="call-0"))
        await asyncio.sleep(0)
        assert asked == []
        await permissions.note(create_event("pre_tool", tool_use_id="call-1"))
        return await deciding

    assert run(act()) == PermissionResultAllow(updated_permissions=[RULE])
    assert [choice.label for choice in asked[0].choices] == [
        "Allow once",
        "Always allow Bash(make *), Read in all your projects (~/.claude/settings.json)",
        "Always allow the directories /a, /b until the run ends",
        "Change to the permission mode acceptEdits in this project, for everyone "
        "(.claude/settings.json)",
        "Deny",
    ]
