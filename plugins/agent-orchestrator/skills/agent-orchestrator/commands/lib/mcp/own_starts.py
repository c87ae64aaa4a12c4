"""Starts and resumes of sessions by the person who runs this program, outside of all runs."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..client.manager import Json, ManagerClient
from ..session_client import SessionClientError, SessionNotFoundError
from ..sessions.resolve import is_by_hand, state_of
from ..sessions.starts.order import Order, carry_out
from ..shared.masking import Masking

STARTS = ("start_session", "resume_session")


class OwnStarts:
    """Does what `ao-new` and `ao-resume` do, in one project."""

    def __init__(self, manager: ManagerClient, project_dir: Path) -> None:
        self._manager = manager
        self._project_dir = project_dir

    def carry_out(self, tool: str, given: Json) -> tuple[str, bool]:
        """Return the tool's answer to arguments that the manager has checked.

        Also return whether the answer is an error.
        """
        try:
            session, is_new = (self._start if tool == "start_session" else self._resume)(given)
        except SessionClientError as exc:
            return _error(exc.code or "manager_unavailable", str(exc)), True
        except _Refused as exc:
            return _error(exc.code, str(exc)), True
        return json.dumps({**_row(session), "is_new": is_new}), False

    def _start(self, given: Json) -> tuple[Json, bool]:
        digest = _digest(given["prompt"])
        project = (self._project_dir / (given.get("project_dir") or ".")).resolve()
        if (found := self._find_asked(given["name"], project, digest)) is not None:
            return found, False
        fields = ("agent", "executor", "model", "project_dir", "timeout_seconds")
        payload = {name: given.get(name) for name in fields}
        payload |= {
            "notify": given.get("notify", True),
            "name": given["name"],
            "prompt": given["prompt"],
            "session_id": str(uuid4()),
            "digest": digest,
        }
        return self._order("start", payload), True

    def _find_asked(self, name: str, project: Path, digest: str) -> Json | None:
        where = {"session_name": name, "project_dir": str(project), "archived": "false"}
        for session in self._manager.find_sessions(limit=1, **where):
            first = self._manager.list_runs(session["session_id"])[0]
            if (first["spec"] or {}).get("asked") == digest:
                return session
            raise _Refused(
                "name_taken",
                f"another session of the project is named {name!r}: choose another name, or use "
                "resume_session",
            )
        return None

    def _resume(self, given: Json) -> tuple[Json, bool]:
        session = self._find(given["session"])
        if is_by_hand(session):
            raise _Refused("session_running", "a person works in this session, in a program")
        payload = {
            "session_id": session["session_id"],
            "run": session["run"] + 1,
            "prompt": given["text"],
            "timeout_seconds": given.get("timeout_seconds"),
            "notify": given.get("notify", True),
            "digest": _digest(given["text"]),
        }
        return self._order("resume", payload), True

    def _find(self, argument: str) -> Json:
        """Return the session as the manager has found it: by its id, or by its name."""
        try:
            return self._manager.get_session(argument)
        except SessionNotFoundError:
            where = {"session_name": argument, "archived": "false"}
            found = next(self._manager.find_sessions(limit=1, **where), None)
            if found is None:
                raise
            return found

    def _order(self, kind: str, payload: dict[str, Any]) -> Json:
        order = Order(
            url=self._manager.base_url,
            project_dir=self._project_dir,
            kind=kind,
            payload=payload,
        )
        state, detail = carry_out(order)
        if state != "done":
            code, _, message = detail.partition(": ")
            raise _Refused(code, message)
        return self._manager.get_session(detail)


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _error(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})


def _digest(text: str) -> str:
    """Return the digest that the manager computes, too, for the orders of agents."""
    return sha256(str(Masking().value(text)).encode()).hexdigest()


def _row(session: Json) -> Json:
    row = {
        "session_id": session["session_id"],
        "name": session["session_name"],
        "state": state_of(session),
        "run": session["run"],
        "agent": session["agent_name"] or session["executor"],
        "project_dir": session["project_dir"],
    }
    return {name: value for name, value in row.items() if value is not None}
