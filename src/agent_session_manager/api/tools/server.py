"""The MCP server behind `POST /mcp`, which speaks every revision that the `mcp` package speaks.

Each request stands alone: no MCP session is kept, so a restart of the manager breaks none. The
package is imported for the first request, because most managers never get one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

import agent_session_manager
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.errors import MAX_PROBLEMS, STATUS
from agent_session_manager.api.tools.call import Answer, Call, ToolError, tool_error_of
from agent_session_manager.api.tools.table import BY_NAME, INSTRUCTIONS, TOOLS, Tool
from agent_session_manager.domain.errors import OrchestratorError, OverloadedError
from agent_session_manager.domain.run_token import RunCaller
from agent_session_manager.manager.manager import Manager

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult

logger = logging.getLogger(__name__)

NAME = "agent-orchestrator"
MAX_CALLS = 256
"""Maximum number of open requests; a wait is open for up to 45 seconds."""
MAX_CALLS_OF_A_CALLER = 64
_CALL_IDS = ("claudecode/toolUseId", "callId")
"""Names under which clients send their own id of a call."""


class ToolServer:
    """Serves the tools; it starts with its first request."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._starting: asyncio.Task[StreamableHTTPSessionManager] | None = None
        self._running: asyncio.Task[None] | None = None
        self._open: Counter[RunCaller | None] = Counter()

    @contextmanager
    def counted(self, caller: RunCaller | None) -> Iterator[None]:
        """Count an open request until the block ends.

        Raises:
            OverloadedError: there are too many open requests, of this caller or of all.
        """
        if self._open.total() >= MAX_CALLS or self._open[caller] >= MAX_CALLS_OF_A_CALLER:
            raise OverloadedError
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose sender the guard has authenticated."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="start the MCP server")
        try:
            serving = await asyncio.shield(self._starting)
        except Exception:
            self._starting = None  # the next request tries again
            raise
        await serving.handle_request(scope, receive, send)

    async def _start(self) -> StreamableHTTPSessionManager:
        # In a thread: the import takes half a second, and others must be served.
        serving = await asyncio.to_thread(_build, self._manager)
        is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(_run(serving, is_ready), name="MCP server")
        await is_ready
        return serving


async def _run(serving: StreamableHTTPSessionManager, is_ready: asyncio.Future[None]) -> None:
    async with serving.run():
        is_ready.set_result(None)
        await asyncio.Event().wait()  # cancelled at the end of the loop


def _build(manager: Manager) -> StreamableHTTPSessionManager:
    from mcp.server.lowlevel.server import Server
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from mcp.server.transport_security import TransportSecuritySettings

    for library in ("mcp", "sse_starlette"):
        logging.getLogger(library).setLevel(logging.WARNING)
    server: Server[Any] = Server(
        NAME,
        version=agent_session_manager.__version__,
        title="Agent Orchestrator",
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=partial(_call_tool, manager),
    )
    return StreamableHTTPSessionManager(
        server,
        stateless=True,
        # The guard has checked Host and Origin already, by our own rules.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


async def _list_tools(_context: Any, _params: Any) -> ListToolsResult:
    from mcp_types import ListToolsResult

    return ListToolsResult(tools=[_described(tool) for tool in TOOLS])


def _described(tool: Tool) -> Any:
    import mcp_types

    return mcp_types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.schema,
        annotations=mcp_types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads_only,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.is_idempotent,
            open_world_hint=False,
        ),
    )


async def _call_tool(
    manager: Manager, context: ServerRequestContext[Any, Request], params: CallToolRequestParams
) -> CallToolResult:
    from mcp.shared.exceptions import MCPError
    from mcp_types import INVALID_PARAMS

    tool = BY_NAME.get(params.name)
    if tool is None:
        known = ", ".join(BY_NAME)
        raise MCPError(INVALID_PARAMS, f"unknown tool {params.name[:100]!r}; tools: {known}")
    assert context.request is not None  # each call comes over HTTP

    async def report(progress: float, message: str) -> None:
        await context.session.report_progress(progress, message=message)

    call = Call(
        manager=manager,
        caller=caller_of(context.request),
        report=report,
        call_id=_call_id(dict(context.meta or {})),
    )
    try:
        return _result(await tool.run(call, tool.arguments.model_validate(params.arguments or {})))
    except ValidationError as exc:
        error = ToolError("invalid_arguments", _problems(exc))
    except ToolError as exc:
        error = exc
    except OrchestratorError as exc:
        error = tool_error_of(exc, STATUS)
    return _result({"error": {"code": error.code, "message": str(error)}}, is_error=True)


def _result(answer: Answer, *, is_error: bool = False) -> CallToolResult:
    from mcp_types import CallToolResult, TextContent

    text = orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS).decode()
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=is_error)


def _problems(error: ValidationError) -> str:
    """Return which arguments are wrong and why, without their values, which may be huge."""
    problems = [
        f"{'.'.join(str(part)[:100] for part in each['loc'])}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "; ".join(problems[:MAX_PROBLEMS])


def _call_id(meta: dict[str, Any]) -> str | None:
    return next((str(meta[name])[:200] for name in _CALL_IDS if meta.get(name)), None)
