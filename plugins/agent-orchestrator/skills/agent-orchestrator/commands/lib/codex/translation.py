"""Translates a thread's rollout and the app-server's notifications into events.

The record of the agent comes from the rollout: messages, reasoning, tool calls and usage. The
notifications add what only happens during a run: retries, the plan, the diff of the turn, and how
the turn ended. Importing the rollout gives the same events with the same ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..events.event import Event
from ..events.prepare import create_event, prepare, text_content
from ..history.items import FoundEvent, Item, ModelRequest
from ..rpc.json_rpc import Notification
from .usage import usage_event

Json = dict[str, Any]

NOTES = frozenset({"configWarning", "guardianWarning", "warning"})
KNOWN = frozenset(
    {
        "account", "app", "autoApprovalReview", "command", "deprecationNotice",
        "externalAgentConfig", "fs", "hook", "item", "mcpServer", "model", "modelProvider",
        "process", "project", "rawResponse", "rawResponseItem", "remoteControl", "serverRequest",
        "skills", "thread", "turn", "windows", "windowsSandbox",
    }
)  # fmt: skip
"""First parts of the methods that are known. The rollout has the events of the others."""
_ATTEMPT = re.compile(r"(\d{1,9})/(\d{1,9})")


class Translation:
    """Translates one run; stores what tells how its turn ended."""

    def __init__(self, told: Iterable[str] = ()) -> None:
        """`told` are the ids of messages that are in the record already."""
        self._told = set(told)
        self._open_calls: dict[str, Event] = {}
        self._noted: set[str] = set()
        self._diff = ""
        self.items: dict[str, Json] = {}
        """The items of Codex that have begun and not ended, by id."""
        self.thread_id: str | None = None
        self.turn_id: str | None = None
        """The turn that runs."""
        self.end: Json | None = None
        """The turn as Codex reported its end."""
        self.failure: Json | None = None
        """The newest error that Codex does not retry after."""
        self.is_broken = False
        """True if the thread has a system error."""
        self.was_refused = False
        """True if a permission was refused, and the agent has done nothing since."""
        self.has_answer = False
        """True if the newest act of the agent is a message."""

    def note_message(self, message_id: str) -> None:
        """Note a message to the agent that is recorded by its sender."""
        self._told.add(message_id)

    def call_of(self, item_id: str | None) -> Event:
        """Return the `pre_tool` of an open call; empty if it is not recorded yet."""
        return self._open_calls.get(item_id or "", {})

    def of_rollout(self, items: Iterable[Item]) -> Iterator[Event]:
        """Yield the events of lines of the rollout."""
        for item in items:
            match item:
                case FoundEvent(is_inherited=False):
                    yield from self._found(item.event)
                case ModelRequest(is_inherited=False):
                    yield usage_event(item)
                case _:
                    pass

    def _found(self, event: Event) -> Iterator[Event]:
        match event["event_type"]:
            case "message" if event["event_id"] in self._told:
                return
            case "message" if event["role"] == "assistant":
                self.has_answer, self.was_refused = True, False
            case "pre_tool":
                self._open_calls[event["tool_use_id"]] = event
                self.has_answer = self.was_refused = False
            case "post_tool":
                self._open_calls.pop(event["tool_use_id"], None)
        moment = {} if "timestamp" in event else {"timestamp": create_event("")["timestamp"]}
        yield prepare({**moment, **event})

    def denial(self, item_id: str | None, tool_name: str | None, why: str) -> Event:
        """Return the event of a permission that was refused without asking a person."""
        self.was_refused = True
        call = self.call_of(item_id)
        return create_event(
            "permission_denied",
            item_id and f"{item_id}:denied",
            tool_name=call.get("tool_name") or tool_name,
            tool_use_id=item_id,
            error=why,
        )

    def of_notification(self, told: Notification) -> Iterator[Event]:
        """Yield the events of a notification."""
        params = told.params
        thread = params.get("threadId")
        if told.method == "mcpServer/startupStatus/updated":
            yield from self._server(params)
        elif told.method in NOTES:
            yield from self._note(str(params.get("message") or params.get("summary") or ""))
        elif thread is not None and thread != self.thread_id:
            return  # of a subagent, which has a thread of its own
        elif told.method == "error":
            yield from self._error(params)
        elif told.method == "turn/plan/updated":
            fields = {"explanation": params.get("explanation"), "plan": params.get("plan")}
            yield create_event("plan", **fields)
        elif told.method == "model/rerouted":
            model = f"{params.get('fromModel')} was replaced by {params.get('toModel')}"
            yield from self._note(f"the model {model}: {params.get('reason')}")
        elif told.method.partition("/")[0] not in KNOWN:
            yield create_event("agent_update", method=told.method, params=params)
        else:
            self._remember(told.method, params)

    def _remember(self, method: str, params: Json) -> None:
        item = params.get("item")
        match method, params:
            case "item/started", {"item": {"id": str(item_id)}}:
                self.items[item_id] = item if isinstance(item, dict) else {}
            case "item/completed", {"item": {"id": str(item_id)}}:
                self.items.pop(item_id, None)
            case "turn/started", {"turn": {"id": str(turn_id)}}:
                self.turn_id = turn_id
            case "turn/completed", {"turn": {"id": str(turn_id)} as turn}:
                if self.turn_id in (None, turn_id):
                    self.end, self.turn_id = turn, None
            case "turn/diff/updated", {"diff": str(diff)}:
                self._diff = diff
            case "thread/status/changed", {"status": {"type": str(status)}}:
                self.is_broken = status == "systemError"
            case _:
                pass

    def _error(self, params: Json) -> Iterator[Event]:
        error = params.get("error")
        error = error if isinstance(error, dict) else {}
        if not params.get("willRetry"):
            self.failure = error
            return
        message = str(error.get("message") or "")
        attempt = _ATTEMPT.search(message)
        yield create_event(
            "retry",
            error=str(error.get("additionalDetails") or message),
            status_code=status_code_of(error),
            attempt=int(attempt[1]) if attempt else None,
            max_retries=int(attempt[2]) if attempt else None,
        )

    def _server(self, params: Json) -> Iterator[Event]:
        if params.get("status") == "failed":
            why = params.get("error") or "no reason was given"
            yield from self._note(
                f"MCP server {params.get('name')!r} did not start, and its tools are missing: {why}"
            )

    def _note(self, text: str) -> Iterator[Event]:
        """Yield a diagnostic once: Codex repeats its warnings at every turn."""
        if text and text not in self._noted:
            self._noted.add(text)
            yield create_event("diagnostic", content=text_content(text))

    def last_events(self) -> Iterator[Event]:
        """Yield the missing events after the last line and the last notification."""
        for tool_use_id, call in self._open_calls.items():
            yield create_event(
                "post_tool",
                f"{tool_use_id}:post",
                tool_name=call["tool_name"],
                tool_use_id=tool_use_id,
                error="the run ended before the tool did",
            )
        self._open_calls.clear()
        if self._diff:
            yield create_event("turn_diff", diff=self._diff)


def status_code_of(error: Json) -> int | None:
    """Return the HTTP status in an error of Codex, if it has one."""
    kind = error.get("codexErrorInfo")
    for about in kind.values() if isinstance(kind, dict) else ():
        code = about.get("httpStatusCode") if isinstance(about, dict) else None
        if isinstance(code, int):
            return code
    return None
