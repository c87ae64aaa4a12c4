"""One call of a tool: who calls, what the tool can reach, and how it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_session_manager.api.wire.sessions import session_body
from agent_session_manager.domain.errors import OrchestratorError, SessionNotFoundError
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.domain.sessions.session import Session, is_session_id
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.queries import SessionFilter, SessionSort
from agent_shared.masking import Masking

Answer = dict[str, Any]
"""The result of a tool, as JSON. Texts of other agents are values in it, never the whole."""

PROGRESS_SECONDS = 5.0
_SHOWN = 10


class ToolError(Exception):
    """An error that the calling agent can act on. The code is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call by the agent of a run, or by the person if `caller` is None."""

    manager: Manager
    caller: RunCaller | None
    report: Callable[[float, str], Awaitable[None]]
    """Reports progress, so that the client keeps waiting."""
    call_id: str | None = None
    """The client's own id of the call; the same for a call that it repeats."""

    async def find(self, argument: str) -> Session:
        """Return the session with this id or name that the caller may see.

        Raises:
            ToolError: no session or several sessions match.
        """
        if is_session_id(argument) and await self._may_see(argument):
            try:
                return await self.manager.get_session(argument)
            except SessionNotFoundError:
                pass  # it may be a name
        found = await self.list(session_name=argument, archived=False, limit=_SHOWN + 1)
        if not found:
            raise ToolError(
                "session_not_found",
                f"no session {argument!r}: list_sessions shows the sessions that you can use",
            )
        if len(found) > 1:
            ids = ", ".join(session.session_id for session in found[:_SHOWN])
            raise ToolError(
                "several_sessions",
                f"{len(found)} sessions are named {argument!r}: give one of the ids {ids}",
            )
        return found[0]

    async def _may_see(self, session_id: str) -> bool:
        return self.caller is None or await self.manager.is_in_family(self.caller, session_id)

    async def find_below(self, argument: str) -> Session:
        """Return the session with this id or name, which must be below the caller's own.

        Raises:
            ToolError: it is the caller's own session, or none or several match.
        """
        session = await self.find(argument)
        if self.caller is not None and session.session_id == self.caller.session_id:
            raise ToolError(
                "own_session",
                f"{argument!r} is your own session: you can wait for, message, resume and stop "
                "only the sessions that you started, and those below them",
            )
        return session

    async def list(self, *, limit: int, **where: Any) -> list[Session]:
        """Return the sessions that match and that the caller may see, last active first."""
        page = await self.manager.list_sessions(
            SessionFilter(family_of=self.caller, **where),
            limit=limit,
            sort=SessionSort.ACTIVITY,
        )
        return page.sessions

    async def keep_client_waiting(self, work: Awaitable[Any], message: str) -> Any:
        """Wait for `work`, and report progress every few seconds."""
        task = asyncio.ensure_future(work)
        try:
            elapsed = 0.0
            while not (await asyncio.wait({task}, timeout=PROGRESS_SECONDS))[0]:
                elapsed += PROGRESS_SECONDS
                await self.report(elapsed, message)
            return task.result()
        finally:
            task.cancel()


def row_of(session: Session) -> Answer:
    """Return the fields of a session that help an agent to choose its next step."""
    body = session_body(session)
    row = {
        "session_id": body.session_id,
        "name": body.session_name,
        "state": str(body.state),
        "reason": body.reason,
        "run": body.run,
        "agent": body.agent,
        "project_dir": body.project_dir,
        "parent_session_id": body.parent_session_id,
        "started_at": body.started_at.isoformat(),
        "finished_at": body.finished_at and body.finished_at.isoformat(),
    }
    return {name: value for name, value in row.items() if value is not None}


def cut(text: str, limit: int, *, offset: int = 0) -> Answer:
    """Return a part of a text as `text`, with `next_offset` if more follows."""
    part = text[offset : offset + limit]
    end = offset + len(part)
    return {"text": part, **({"next_offset": end} if end < len(text) else {})}


def masked(text: str) -> str:
    """Return a text as it is stored: with its credentials masked."""
    return str(Masking().value(text))


def tool_error_of(error: OrchestratorError, codes: Mapping[type, tuple[int, str]]) -> ToolError:
    """Return an error of the manager as one of a tool, with the same code."""
    return ToolError(codes[type(error)][1], str(error))
