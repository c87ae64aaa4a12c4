"""The programs that start often import nothing heavy that most of their starts do not use.

A module that comes back into one of these lists costs every start 2 to 40 ms. Each list is what the
import of the program loads; `lib` is the package of the commands.
"""

from __future__ import annotations

import sys

from tests.commands.command_names import COMMANDS
from tests.support.output import output_of
from tests.support.rows import each_row

ALWAYS = {
    *("claude_agent_sdk", "fastapi", "mcp", "psutil", "pydantic", "pygments", "rich", "sqlalchemy"),
    *("yaml", "httpx._client", "httpcore", "email", "http", "urllib.request"),
    *("importlib.metadata", "tempfile", "zipfile"),
}
"""Left out by each program."""
SHORT = {"asyncio", "ssl", "sqlite3", "ctypes"}
EXECUTORS = {"lib.executors.base"}
RUNS = EXECUTORS | {"subprocess", "hashlib", "lib.runs.registry", "lib.shared.masking"}
QUESTIONS = {"lib.executors.questions"}

IMPORT = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(*sys.modules)
"""


@each_row(
    ("program", "left_out"),
    [
        *((f"cli.{name}", SHORT | RUNS) for name in ("get_result", "send", "status", "wait")),
        *((f"cli.{name}", SHORT | EXECUTORS) for name in ("list_sessions", "logs", "stop")),
        ("cli.new", SHORT | QUESTIONS | {"shutil"}),
        ("cli.resume", SHORT | QUESTIONS),
        ("cli.mcp", {"sqlite3", "ctypes"}),
        ("runs.supervisor", {"click"}),
        ("sessions.order", SHORT | QUESTIONS | {"click", "shutil"}),
        ("sessions.wake", {"click", "asyncio", "ssl"} | QUESTIONS),
    ],
)
def test_program_does_without_heavy_modules(program: str, left_out: set[str]) -> None:
    arguments = ["-W", "error", "-c", IMPORT, str(COMMANDS), f"lib.{program}"]
    imported = set(output_of([sys.executable, *arguments]).split())
    assert f"lib.{program}" in imported
    assert (ALWAYS | left_out) & imported == set()
