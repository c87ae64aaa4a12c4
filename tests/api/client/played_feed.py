"""The feed of one session, played to a client by a server that is not a manager."""

from __future__ import annotations

import json
from collections.abc import Callable

from agent_orchestrator.client.manager import Json
from tests.support.recording import Received, Reply


def framed(name: str, content: Json, cursor: str | None = None) -> bytes:
    identity = f"id: {cursor}\n" if cursor else ""
    return f"event: {name}\n{identity}data: {json.dumps(content)}\n\n".encode()


def event(seq: int) -> bytes:
    return framed("event", {"seq": seq}, f"g:{seq}")


OPENING = framed("session", {"session": {"run": 1}})
END = framed("end", {"session": {"run": 1}})
SESSION = {"session_id": "x", "generation": "g", "last_seq": 9}


def feed(*frames: bytes) -> Reply:
    return Reply(body=b"".join(frames), content_type="text/event-stream")


def played(replies: list[Reply]) -> Callable[[Received], Reply]:
    """Return an answer function that plays the replies in order and repeats the last."""
    left = iter(replies[:-1])
    return lambda _received: next(left, replies[-1])
