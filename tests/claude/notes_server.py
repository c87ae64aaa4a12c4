"""An MCP server with one tool, `recall`, which needs no package."""

from __future__ import annotations

import sys
from typing import Any

MCP_SERVER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    answers = {
        "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "notes", "version": "1"}},
        "tools/list": {"tools": [{"name": "recall", "description": "Recall.",
                                  "inputSchema": {"type": "object", "properties": {}}}]},
        "tools/call": {"content": [{"type": "text", "text": "a heron"}]},
    }
    if "id" in request:
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        answer["result"] = answers.get(request["method"], {})
        print(json.dumps(answer), flush=True)
"""


def notes_server(**environment: str) -> dict[str, Any]:
    """Return the definition of the server."""
    return {"command": sys.executable, "args": ["-c", MCP_SERVER], "env": environment}
