"""Claude Code's requests for permission, as questions to a person, and the answers in its form.

Importing this module imports the SDK.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from claude_agent_sdk import (
    PermissionResult,
    PermissionResultAllow,
    PermissionResultDeny,
    ToolPermissionContext,
)
from claude_agent_sdk.types import PermissionUpdate

from ..events.event import Event
from ..executors.questions import (
    Ask,
    Choice,
    ChoiceKind,
    Decision,
    Item,
    Option,
    Question,
    QuestionKind,
    Verdict,
)
from .edit_diff import diff_of
from .translation import Translation

ASK_USER = "AskUserQuestion"
_KINDS = {
    ASK_USER: QuestionKind.QUESTION,
    "ExitPlanMode": QuestionKind.PLAN,
    "Edit": QuestionKind.EDIT,
    "MultiEdit": QuestionKind.EDIT,
    "NotebookEdit": QuestionKind.EDIT,
    "Write": QuestionKind.EDIT,
}
_SCOPES = {
    "session": "until the run ends",
    "localSettings": "in this project, for you (.claude/settings.local.json)",
    "projectSettings": "in this project, for everyone (.claude/settings.json)",
    "userSettings": "in all your projects (~/.claude/settings.json)",
}
_ALLOW = Choice(choice_id="allow", kind=ChoiceKind.ALLOW, label="Allow once")
_DENY = Choice(choice_id="deny", kind=ChoiceKind.DENY, label="Deny")
_DENIED = "A person denied this call."


class Permissions:
    """Answers the requests of one run of Claude Code."""

    def __init__(self, ask: Ask, sent: Collection[str], translation: Translation) -> None:
        """Ask with `ask`; `sent` has the ids of the tool calls that the CLI has sent."""
        self._ask = ask
        self._sent = sent
        self._translation = translation
        self._recorded: set[str] = set()
        self._has_recorded = asyncio.Condition()

    async def note(self, event: Event) -> None:
        """Note an event that is recorded."""
        if event["event_type"] == "pre_tool":
            async with self._has_recorded:
                self._recorded.add(event["tool_use_id"])
                self._has_recorded.notify_all()

    async def decide(
        self, tool_name: str, tool_input: dict[str, Any], context: ToolPermissionContext
    ) -> PermissionResult:
        """Ask a person about a call, after its `pre_tool` is recorded."""
        call = context.tool_use_id or ""
        if call in self._sent:
            async with self._has_recorded:
                await self._has_recorded.wait_for(lambda: call in self._recorded)
        updates = {
            f"always-{number}": update
            for number, update in enumerate(context.suggestions)
            if _scope_of(update) is not None
        }
        question = self._question(tool_name, tool_input, context, updates)
        decision = await self._ask(question)
        self._translation.note_decided(call)
        if decision.verdict is Verdict.ANSWERED:
            return PermissionResultAllow(updated_input=_answered(tool_input, decision))
        if decision.verdict is Verdict.ALLOW:
            chosen = updates.get(decision.choice.choice_id) if decision.choice else None
            return PermissionResultAllow(updated_permissions=[chosen] if chosen else None)
        return PermissionResultDeny(
            message=decision.text or _DENIED, interrupt=decision.verdict is Verdict.CANCELLED
        )

    def _question(
        self,
        tool_name: str,
        tool_input: Mapping[str, Any],
        context: ToolPermissionContext,
        updates: Mapping[str, PermissionUpdate],
    ) -> Question:
        kind = _KINDS.get(tool_name, QuestionKind.TOOL)
        if tool_name.startswith("mcp__"):
            kind = QuestionKind.MCP
        items = _items(tool_input) if kind is QuestionKind.QUESTION else ()
        always = (
            Choice(choice_id=key, kind=ChoiceKind.ALLOW_ALWAYS, label=str(_scope_of(update)))
            for key, update in updates.items()
        )
        action = context.display_name or tool_name
        about = f"{action}: {context.description}" if context.description else None
        path = f"it concerns {context.blocked_path}" if context.blocked_path else None
        return Question(
            kind=kind,
            title=context.title or about,
            why=context.decision_reason or path,
            tool_name=tool_name,
            tool_use_id=context.tool_use_id,
            tool_input=tool_input,
            diff=diff_of(tool_name, tool_input) if kind is QuestionKind.EDIT else None,
            parent_tool_use_id=self._translation.parent_of(
                context.tool_use_id or "", context.agent_id
            ),
            choices=() if items else (_ALLOW, *always, _DENY),
            items=items,
        )


def _items(tool_input: Mapping[str, Any]) -> tuple[Item, ...]:
    """Return the questions of the tool's input; the text of a question is its id."""
    asked = tool_input.get("questions")
    return tuple(
        Item(
            item_id=str(each.get("question")),
            text=str(each.get("question")),
            header=each.get("header"),
            options=tuple(
                Option(label=str(option.get("label")), description=option.get("description"))
                for option in each.get("options") or []
                if isinstance(option, dict)
            ),
            is_multiple=each.get("multiSelect") is True,
        )
        for each in (asked if isinstance(asked, list) else [])
        if isinstance(each, dict)
    )


def _answered(tool_input: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    answers = {question: ", ".join(words) for question, words in decision.answers.items()}
    return {**tool_input, "answers": answers}


def _scope_of(update: PermissionUpdate) -> str | None:
    """Return what an update allows, and where; None if it does not allow more."""
    where = _SCOPES.get(update.destination or "session", f"({update.destination})")
    if update.type == "addRules" and update.behavior == "allow" and update.rules:
        rules = ", ".join(
            rule.tool_name + (f"({rule.rule_content})" if rule.rule_content else "")
            for rule in update.rules
        )
        return f"Always allow {rules} {where}"
    if update.type == "addDirectories" and update.directories:
        return f"Always allow the directories {', '.join(update.directories)} {where}"
    if update.type == "setMode" and update.mode:
        return f"Change to the permission mode {update.mode} {where}"
    return None
