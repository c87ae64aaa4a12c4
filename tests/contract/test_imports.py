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
    *(
        "claude_agent_sdk",
        "fastapi",
        "mcp",
        "prompt_toolkit",
        "psutil._common",
        "pydantic",
        "pygments",
        "rich",
        "sqlalchemy",
    ),
    *("yaml", "httpx._client", "httpcore", "email", "http", "urllib.request"),
    *("importlib.metadata", "tempfile", "zipfile", "zoneinfo"),
}
"""Left out by each program."""
SHORT = {"asyncio", "ssl", "sqlite3", "ctypes"}
EXECUTORS = {"lib.executors.base"}
RUNS = EXECUTORS | {"subprocess", "hashlib", "lib.runs.registry", "lib.shared.masking"}
QUESTIONS = {"lib.executors.questions"}
TAKES_OVER = QUESTIONS | {
    *("click", "asyncio", "ssl", "hashlib", "shutil", "subprocess", "lib.shared.masking"),
}
"""Left out by a supervisor until it has taken over its run."""

IMPORT = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
for module in sys.argv[2:]:
    importlib.import_module(module)
print(*sys.modules)
"""


@each_row(
    ("program", "left_out"),
    [
        *((f"cli.{name}", SHORT | RUNS) for name in ("get_result", "send", "status", "wait")),
        *((f"cli.{name}", SHORT | EXECUTORS) for name in ("list_sessions", "logs", "stop")),
        ("cli.new", SHORT | QUESTIONS | {"shutil", "lib.runs.registry"}),
        ("cli.resume", SHORT | QUESTIONS),
        ("cli.mcp", {"sqlite3", "ctypes"}),
        ("runs.supervision.supervisor", TAKES_OVER),
        ("runs.supervision.supervisor runs.supervision.one_run", {"click"}),
        ("sessions.starts.order", SHORT | QUESTIONS | {"click", "shutil"}),
        ("sessions.starts.wake", {"click", "asyncio", "ssl"} | QUESTIONS),
    ],
)
def test_program_does_without_heavy_modules(program: str, left_out: set[str]) -> None:
    modules = [f"lib.{module}" for module in program.split()]
    arguments = ["-W", "error", "-c", IMPORT, str(COMMANDS), *modules]
    imported = set(output_of([sys.executable, *arguments]).split())
    assert imported.issuperset(modules)
    assert (ALWAYS | left_out) & imported == set()
