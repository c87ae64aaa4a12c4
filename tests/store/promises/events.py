"""Events that tests append, in the form of a request."""

from __future__ import annotations

from typing import Any


def stop(**fields: Any) -> dict[str, Any]:
    return {"event_type": "session_stop", **fields}


def says(text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": "assistant", "content": content, **fields}


def used(tokens: int, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": tokens, "cost_microdollars": tokens * 10}
    return {"event_type": "usage", "usage": usage, **fields}


SOME = {"event_type": "some"}
DENIED = {"event_type": "permission_denied", "error": "not allowed"}


ALLOW_OR_DENY = [
    {"id": "yes", "kind": "allow", "label": "Allow once"},
    {"id": "no", "kind": "deny", "label": "Deny"},
]


def question(question_id: str = "q", **fields: Any) -> dict[str, Any]:
    return {
        "event_type": "permission_request",
        "event_id": f"{question_id}:asked",
        "question_id": question_id,
        "kind": "tool",
        "choices": ALLOW_OR_DENY,
        **fields,
    }


def decision(question_id: str = "q", decided: str = "allow", **fields: Any) -> dict[str, Any]:
    return {
        "event_type": "permission_decided",
        "event_id": f"{question_id}:decided",
        "question_id": question_id,
        "decision": decided,
        "by": "person",
        **fields,
    }


def asked(request_id: str, tokens: int, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 7, "output_tokens": tokens}
    return {"event_type": "usage", "request_id": request_id, "usage": usage, **fields}
