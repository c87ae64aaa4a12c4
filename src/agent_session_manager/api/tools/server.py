"""The MCP server behind `POST /mcp`, which speaks every revision that the `mcp` package speaks.

Each request stands alone: no MCP session is kept, so a restart of the manager breaks none.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import mcp_types
import orjson
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent
from pydantic import ValidationError
from starlette.requests import Request

import agent_session_manager
from agent_session_manager.api.http.caller import caller_of
from agent_session_manager.api.http.errors import MAX_PROBLEMS, STATUS
from agent_session_manager.api.tools.call import Answer, Call, ToolError, tool_error_of
from agent_session_manager.api.tools.entry import Serve
from agent_session_manager.api.tools.table import BY_NAME, INSTRUCTIONS, TOOLS, Tool
from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.manager.manager import Manager

NAME = "agent-orchestrator"
_CALL_IDS = ("claudecode/toolUseId", "callId")
"""Names under which clients send their own id of a call."""


@asynccontextmanager
async def serving(manager: Manager) -> AsyncIterator[Serve]:
    """Yield the function that serves one request, as long as the block runs."""
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
    sessions = StreamableHTTPSessionManager(
        server,
        stateless=True,
        # The guard has checked Host and Origin already, by our own rules.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    async with sessions.run():
        yield sessions.handle_request


async def _list_tools(_context: Any, _params: Any) -> ListToolsResult:
    return ListToolsResult(tools=[_described(tool) for tool in TOOLS])


def _described(tool: Tool) -> mcp_types.Tool:
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
    tool = BY_NAME.get(params.name)
    if tool is None:
        known = ", ".join(BY_NAME)
        raise MCPError(
            mcp_types.INVALID_PARAMS, f"unknown tool {params.name[:100]!r}; tools: {known}"
        )
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
