from __future__ import annotations

import sys
from pathlib import Path

from tests.support.output import output_of
from tests.support.rows import each_row


def in_a_supervisor(program: str, *, path: Path | None = None) -> str:
    """Run the program in a new process that leaves out `mcp`, and return its output."""
    begin = (
        "import sys\n"
        f"sys.path[:0] = {[str(path)] if path else []!r}\n"
        "from agent_orchestrator.claude.sdk import import_sdk, leave_out_mcp\n"
        "leave_out_mcp()\nimport_sdk()\n"
    )
    return output_of([sys.executable, "-c", begin + program])


def test_sdk_works_without_what_mcp_brings() -> None:
    program = (
        "from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient\n"
        "ClaudeSDKClient(ClaudeAgentOptions())\n"
        "print(sorted({'pydantic', 'starlette', 'uvicorn'} & {*sys.modules}))"
    )
    assert in_a_supervisor(program) == "[]\n"


def test_placeholder_refuses_to_be_used() -> None:
    program = (
        "from mcp.server import Server\n"
        "try:\n    Server('x')\n"
        "except RuntimeError as exc:\n    print(exc)"
    )
    assert in_a_supervisor(program) == "a supervisor has no MCP servers in its own process\n"


@each_row("needed", ["import mcp.types\nNEXT = mcp.types.LATEST + 1", "from mcp.other import NEXT"])
def test_sdk_that_needs_mcp_gets_the_whole_library(tmp_path: Path, needed: str) -> None:
    mcp, sdk = tmp_path / "mcp", tmp_path / "claude_agent_sdk"
    for package in (mcp, sdk):
        package.mkdir()
    (mcp / "__init__.py").write_text("")
    (mcp / "types.py").write_text("LATEST = 3\n")
    (mcp / "other.py").write_text("NEXT = 4\n")
    (sdk / "__init__.py").write_text(needed)
    program = "import claude_agent_sdk\nprint(claude_agent_sdk.NEXT)"
    assert in_a_supervisor(program, path=tmp_path) == "4\n"
