"""Marks the event which shows that the agent of a run has heard notices.

The manager takes notices as delivered by this event only. If a run ends without it, they are
pending again.
"""

from __future__ import annotations

from ...events.event import Event

NOTICE = "notice"
"""Origin of a message in which the orchestrator tells the agent that runs below it have ended."""
_OF_AGENT = frozenset({"thinking", "pre_tool", "post_tool", "plan", "usage"})
"""Types of events that an agent causes only after it has the prompt."""


class Notices:
    """The notices for the agent of one run: those with its prompt, and later ones."""

    def __init__(self, batch_id: str | None, *, is_automatic: bool) -> None:
        """`batch_id` identifies the notices with the prompt; in an automatic run, they are it."""
        self._with_prompt = batch_id
        """None once an event has shown that the agent has its prompt."""
        self._unsure: str | None = None
        """Notices that the agent has for sure only if the run is completed."""
        self._is_automatic = is_automatic
        self._is_begun = False

    def fields_of_message(self, batch_id: str, *, is_sure: bool) -> dict[str, str]:
        """Return what marks the message that has told notices during the run."""
        if is_sure:
            return {"origin": NOTICE, "notice_batch": batch_id}
        self._unsure = batch_id
        return {"origin": NOTICE}

    def marked(self, event: Event) -> Event:
        """Return the next event of the run, marked if it shows that the agent has heard notices."""
        if self._is_automatic and not self._is_begun:
            self._is_begun = event["event_type"] == "message"
            return {**event, "origin": NOTICE} if self._is_begun else event
        if self._with_prompt is not None and _is_of_agent(event):
            batch_id, self._with_prompt = self._with_prompt, None
        elif self._unsure is not None and event.get("reason") == "completed":
            batch_id, self._unsure = self._unsure, None
        else:
            return event
        return {**event, "notice_batch": batch_id}


def _is_of_agent(event: Event) -> bool:
    """Return whether the event shows that the agent has its prompt."""
    match event["event_type"]:
        case "message":
            return bool(event["role"] == "assistant")
        case "session_stop":
            return bool(event["reason"] in ("completed", "budget"))
        case other:
            return other in _OF_AGENT
