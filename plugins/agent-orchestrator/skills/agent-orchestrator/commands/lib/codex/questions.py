"""Translates what Codex asks into questions, and decisions into its answers.

A choice that Codex remembers is offered under its scope. Only a person takes it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..executors.forms import content_of, items_of
from ..executors.questions import (
    Choice,
    ChoiceKind,
    Decision,
    Item,
    Option,
    Question,
    QuestionKind,
    Verdict,
)
from ..rpc.json_rpc import Call
from .translation import Translation

Json = dict[str, Any]

COMMAND = "item/commandExecution/requestApproval"
FILE_CHANGE = "item/fileChange/requestApproval"
PERMISSIONS = "item/permissions/requestApproval"
ELICITATION = "mcpServer/elicitation/request"
USER_INPUT = "item/tool/requestUserInput"
METHODS = frozenset({COMMAND, FILE_CHANGE, PERMISSIONS, ELICITATION, USER_INPUT})

ALLOW = Choice(choice_id="accept", kind=ChoiceKind.ALLOW, label="Allow once")
DENY = Choice(choice_id="decline", kind=ChoiceKind.DENY, label="Deny")


class Asked(NamedTuple):
    """A request of Codex: what it asks, and the call that it is about."""

    question: Question
    item_id: str | None
    always: Mapping[str, Json | str]
    """The decisions of Codex by the ids of the choices that it remembers."""


def asked_by(call: Call, translation: Translation) -> Asked:
    """Return what a request asks, joined with its tool call."""
    params = call.params
    item_id = params.get("itemId")
    item_id = item_id if isinstance(item_id, str) else _item_of(params, translation)
    pre_tool = translation.call_of(item_id)
    always = _remembered(params.get("availableDecisions"))
    joined: Json = {
        "why": _text(params.get("reason")),
        "tool_name": pre_tool.get("tool_name"),
        "tool_use_id": item_id,
        "tool_input": pre_tool.get("tool_input") or {},
        "choices": (ALLOW, *(choice for choice, _ in always), DENY),
    }
    match call.method:
        case "item/commandExecution/requestApproval":
            told = {key: params[key] for key in ("command", "cwd") if params.get(key)}
            joined["tool_input"] = joined["tool_input"] or told
            title = f"Run {params.get('command') or 'a command'}"
            question = Question(kind=QuestionKind.TOOL, title=title, **joined)
        case "item/fileChange/requestApproval":
            item = translation.items.get(item_id or "", {})
            diff = _diff(item.get("changes"))
            title = "Change files"
            if params.get("grantRoot"):
                title = f"Change files below {params['grantRoot']} until the end of the session"
            question = Question(kind=QuestionKind.EDIT, title=title, diff=diff, **joined)
        case "item/permissions/requestApproval":
            joined["tool_input"] = {"permissions": params.get("permissions")}
            title = "More permissions until the end of the turn"
            question = Question(kind=QuestionKind.TOOL, title=title, **joined)
        case "mcpServer/elicitation/request":
            question = _elicitation(params, joined)
        case _:
            question = Question(kind=QuestionKind.QUESTION, items=_items(params), **{
                key: joined[key] for key in ("tool_name", "tool_use_id", "tool_input")
            })  # fmt: skip
    return Asked(question, item_id, {choice.choice_id: taken for choice, taken in always})


def answer_to(call: Call, asked: Asked, decision: Decision) -> Json | None:
    """Return the answer of a decision; None if Codex has no answer for it but an error."""
    taken = decision.choice.choice_id if decision.choice else ""
    is_allowed = decision.verdict is Verdict.ALLOW
    is_cancelled = decision.verdict is Verdict.CANCELLED
    match call.method:
        case "item/tool/requestUserInput":
            if decision.verdict is not Verdict.ANSWERED:
                return None
            answers = {name: {"answers": [*texts]} for name, texts in decision.answers.items()}
            return {"answers": answers}
        case "item/permissions/requestApproval":
            granted = call.params.get("permissions") if is_allowed else None
            return {"permissions": granted or {}, "scope": "turn"}
        case "mcpServer/elicitation/request":
            if is_allowed or decision.verdict is Verdict.ANSWERED:
                content = content_of(call.params.get("requestedSchema"), decision.answers)
                return {"action": "accept", "content": content or None}
            return {"action": "cancel" if is_cancelled else "decline"}
    if is_allowed:
        return {"decision": asked.always.get(taken, "accept")}
    return {"decision": "cancel" if is_cancelled else "decline"}


def _remembered(offered: Any) -> list[tuple[Choice, Json | str]]:
    """Return the offered decisions that Codex remembers, each as a choice with its scope."""
    found: list[tuple[Choice, Json | str]] = []
    for decision in offered if isinstance(offered, list) else ():
        match decision:
            case "acceptForSession":
                label = "Allow this until the end of the run"
                found.append((_always("session", label), decision))
            case {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": [*words]}}:
                begin = shlex.join(map(str, words))
                label = f"Always allow commands that begin with `{begin}`, in all projects"
                found.append((_always("rule", label), decision))
            case {"applyNetworkPolicyAmendment": {"network_policy_amendment": {"host": host}}}:
                if "allow" in json.dumps(decision):
                    label = f"Always allow network access to {host}, in all projects"
                    found.append((_always(f"network:{host}", label), decision))
    return found


def _always(choice_id: str, label: str) -> Choice:
    return Choice(choice_id=choice_id, kind=ChoiceKind.ALLOW_ALWAYS, label=label)


def _item_of(params: Json, translation: Translation) -> str | None:
    """Return the call of an MCP server that waits. The request names only server and input."""
    about = params.get("_meta")
    wanted = about.get("tool_params") if isinstance(about, dict) else None
    for item_id, item in reversed(translation.items.items()):
        is_call = item.get("type") == "mcpToolCall" and item.get("server") == params.get(
            "serverName"
        )
        if is_call and wanted in (None, item.get("arguments")):
            return item_id
    return None


def _elicitation(params: Json, joined: Json) -> Question:
    about = params.get("_meta")
    about = about if isinstance(about, dict) else {}
    joined["tool_input"] = joined["tool_input"] or about.get("tool_params") or {}
    joined["tool_name"] = joined["tool_name"] or f"mcp__{params.get('serverName')}"
    title = _text(params.get("message"))
    items = items_of(params.get("requestedSchema"))
    if not items:
        why = _text(about.get("tool_description"))
        return Question(kind=QuestionKind.MCP, title=title, **{**joined, "why": why})
    return Question(kind=QuestionKind.QUESTION, title=title, items=items, **{
        key: joined[key] for key in ("why", "tool_name", "tool_use_id", "tool_input")
    })  # fmt: skip


def _items(params: Json) -> tuple[Item, ...]:
    return tuple(
        Item(
            item_id=str(each.get("id")),
            text=str(each.get("question") or ""),
            header=_text(each.get("header")),
            options=tuple(
                Option(label=str(option.get("label")), description=_text(option.get("description")))
                for option in _list(each.get("options"))
                if isinstance(option, dict)
            ),
            is_free=bool(each.get("isOther")) or not _list(each.get("options")),
        )
        for each in _list(params.get("questions"))
        if isinstance(each, dict)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _diff(changes: Any) -> str | None:
    """Return the changes of files as one text. That of a new file is its content."""
    parts = [
        f"{_kind(change.get('kind'))} {change.get('path')}\n{change.get('diff') or ''}"
        for change in (changes if isinstance(changes, list) else ())
        if isinstance(change, dict)
    ]
    return "\n".join(parts) or None


def _kind(kind: Any) -> str:
    return str(kind.get("type")) if isinstance(kind, dict) else str(kind)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
