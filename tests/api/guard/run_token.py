"""Sessions with a lease, the token that such a run gets, and the refusals of tokens."""

from __future__ import annotations

from typing import Any

from tests.support.api import Answer, Api
from tests.support.manager import RunningManager

NOT_FOR_RUNS = (403, "not_for_runs")
NOT_THERE = (404, "session_not_found")
UNKNOWN = (401, "run_token_unknown")


def new(session_id: str, **fields: Any) -> dict[str, Any]:
    return {"session_id": session_id, "session_name": session_id, **fields}


def leased(session_id: str, **fields: Any) -> dict[str, Any]:
    return new(session_id, lease={"holder": "h"}, **fields)


def token_of(answer: Answer) -> str:
    assert answer.status == 201, answer.json
    token = answer.json["run_token"]
    assert isinstance(token, str)
    return token


def with_token(manager: RunningManager, token: str) -> Api:
    """Return a connection that sends this token."""
    api = Api(manager)
    api.headers = {"Authorization": f"Bearer {token}"}
    return api
