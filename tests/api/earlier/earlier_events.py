"""Events and sessions as a client of the earlier system sends and reads them."""

from __future__ import annotations

from typing import Any

from tests.support.api import Api

AT = "2026-01-02T03:04:05.000006+00:00"


def event(session_id: str, event_type: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_type": event_type,
        "session_id": session_id,
        "session_name": "old",
        "timestamp": AT,
        **fields,
    }


def send(api: Api, session_id: str, event_type: str, **fields: Any) -> None:
    answer = api.post("/events", event(session_id, event_type, **fields))
    assert (answer.status, answer.json) == (200, {"ok": True})


def append(api: Api, session_id: str, *ns: int, **fields: Any) -> None:
    """Append events of the current form, one for each number."""
    events = [{"event_type": "x", "n": n, **fields} for n in ns]
    assert api.post(f"/sessions/{session_id}/events", events).status == 201


def events_of(api: Api, session_id: str) -> list[dict[str, Any]]:
    answer = api.get(f"/events/{session_id}")
    assert (answer.status, list(answer.json)) == (200, ["events"])
    found: list[dict[str, Any]] = answer.json["events"]
    return found


def session_of(api: Api, session_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/sessions/{session_id}").json["session"]
    return found
