"""A manager in this process with a lead session, whose tools a test calls without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from agent_session_manager.api.tools.call import Call
from agent_session_manager.api.tools.table import BY_NAME
from agent_session_manager.domain.events.event import parse_event
from agent_session_manager.domain.sessions.request import FINAL_STATES, Request, RequestState
from agent_session_manager.domain.sessions.run_token import RunCaller, create_run_token, digest_of
from agent_session_manager.manager.manager import Manager
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.changes import CreateSession, OpenRun, SettleRequest

Answer = dict[str, Any]
T = TypeVar("T")


@dataclass(kw_only=True)
class Lead:
    """The agent of a run, and what its supervisor does with the requests to it."""

    manager: Manager
    caller: RunCaller
    progress: list[float] = field(default_factory=list)
    has_progress: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once progress was reported a hundred times."""

    async def call(self, tool: str, /, call_id: str | None = None, **arguments: Any) -> Answer:
        """Call a tool as the agent."""
        chosen = BY_NAME[tool]

        async def report(seconds: float, _message: str) -> None:
            self.progress.append(seconds)
            if len(self.progress) >= 100:
                self.has_progress.set()

        call = Call(manager=self.manager, caller=self.caller, report=report, call_id=call_id)
        return await chosen.run(call, chosen.arguments.model_validate(arguments))

    async def create(self, name: str, parent: str | None = None, **fields: Any) -> str:
        """Create a running session below the lead's, or below another one."""
        session_id = fields.pop("session_id", None) or str(uuid4())
        new = CreateSession(
            session_id=session_id,
            session_name=name,
            parent_session_id=parent or self.caller.session_id,
            **fields,
        )
        await self.manager.create_session(new)
        return str(session_id)

    async def end(self, session_id: str, text: str | None = None, **stop: Any) -> None:
        """End the run of a session, with an answer if there is a text."""
        said = {"event_type": "message", "role": "assistant", "content": _text(text or "")}
        stopped = {"event_type": "session_stop", "reason": "completed", "exit_code": 0, **stop}
        for event in [*([said] if text is not None else []), stopped]:
            await self.append(session_id, event)

    async def append(self, session_id: str, event: dict[str, Any]) -> None:
        await self.manager.append(session_id, [parse_event(event, session_id=session_id)])

    async def requests(self, session_id: str | None = None, run: int = 1) -> list[Request]:
        own = session_id or self.caller.session_id
        return await self.manager.list_requests(own, run)

    async def settle(self, request: Request, state: str, detail: str | None = None) -> None:
        await self.manager.settle_request(
            SettleRequest(
                session_id=self.caller.session_id,
                run=request.run,
                request_id=request.request_id,
                state=RequestState(state),
                detail=detail,
            )
        )

    async def next_order(self) -> Request:
        """Wait for a request that nothing has settled."""
        return (await self.until(self._open_orders))[0]

    async def until(self, look: Callable[[], Awaitable[T]], session_id: str | None = None) -> T:
        """Look at each change of a session until `look` returns something."""
        while True:
            with self.manager.changes_of(session_id or self.caller.session_id) as changed:
                if found := await look():
                    return found
                await changed.wait()

    async def _open_orders(self) -> list[Request]:
        return [each for each in await self.requests() if each.state not in FINAL_STATES]

    async def carry_out(self) -> Request:
        """Do what the supervisor does with the next order."""
        order = await self.next_order()
        given = order.payload
        spec = {"asked": given["digest"]}
        if order.kind == "start":
            await self.create(given["name"], session_id=given["session_id"], spec=spec)
        else:
            change = OpenRun(session_id=given["session_id"], run=given["run"], spec=spec)
            await self.manager.open_run(change)
        await self.settle(order, "done", given["session_id"])
        return order

    async def refuse(self, detail: str) -> Request:
        order = await self.next_order()
        await self.settle(order, "refused", detail)
        return order


def _text(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


@asynccontextmanager
async def leading(directory: Path) -> AsyncIterator[Lead]:
    """Yield a lead session with an open run."""
    store = open_store(f"sqlite:///{directory / 'sessions.db'}", clock=lambda: datetime.now(UTC))
    async with Manager.open(store) as manager:
        token = create_run_token()
        new = CreateSession(
            session_id=str(uuid4()),
            session_name="lead",
            holder="h",
            token_digest=digest_of(token),
        )
        await manager.create_session(new)
        caller = await manager.find_caller(token)
        assert caller is not None
        yield Lead(manager=manager, caller=caller)
