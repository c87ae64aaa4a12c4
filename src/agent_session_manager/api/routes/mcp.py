"""The route of the MCP server."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.types import Message, Receive, Scope, Send

from agent_session_manager.api.guard.run_scopes import Reach, for_runs
from agent_session_manager.api.http.body import parse_json, read_body
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.responses import refusals
from agent_session_manager.api.tools.entry import ToolEntry
from agent_session_manager.domain.errors import NotForRunsError
from agent_session_manager.domain.sessions.run_token import RunCaller

router = APIRouter(tags=["mcp"])


@router.post(
    "/mcp",
    response_model=None,
    responses={
        **refusals(413, 415),
        200: {
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/event-stream": {"schema": {"type": "string"}},
            },
            "description": "The JSON-RPC answer, or server-sent events with progress before it",
        },
    },
)
@for_runs(Reach.HANDLER)
async def serve_mcp(request: Request) -> Response:
    """Serve a message of the Model Context Protocol (streamable HTTP, stateless).

    The agent of a run uses it with its agent token, and reaches its own session and those below it.
    A person reaches all sessions, but starts none over this route. `docs/reference/mcp.md` has the
    tools.
    """
    caller = caller_of(request)
    if caller is not None and not caller.is_agent:
        raise NotForRunsError("the tools are for agents: use the agent token of the run")
    body = await read_body(request)
    parse_json(body)  # refuses what no other route takes either
    return _Served(request.app.state.tools, caller, body)


class _Served(Response):
    """The response, which the MCP server sends."""

    def __init__(self, tools: ToolEntry, caller: RunCaller | None, body: bytes) -> None:
        super().__init__()
        self._tools = tools
        self._caller = caller
        self._given = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_read = False

        async def receive_again() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": self._given, "more_body": False}

        async def send_as_ours(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The guard adds our own.
                kept = [pair for pair in message["headers"] if pair[0] != b"cache-control"]
                message["headers"] = kept
            await send(message)

        with self._tools.counted(self._caller):
            await self._tools.serve(scope, receive_again, send_as_ours)
