"""Imports point down and never across the wire, and no source file gets too long."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from agent_session_manager.api.http.errors import STATUS
from agent_session_manager.domain.errors import OrchestratorError
from tests.support.syntax import parse

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "src" / "agent_session_manager"
CLIENT = ROOT / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib"
DASHBOARD = ROOT / "dashboard"
MAX_LINES = 400

# Rooms from the top down. A room is a folder, or a file next to the folders. A room may import the
# rooms below it. So there are no circular imports between rooms.
SERVICE_ROOMS = [
    "cli", "serve", "api", "api.routes", "api.tools", "api.earlier", "api.guard", "sql.transfer",
    "api.http", "api.wire", "background", "sql", "manager", "alerts", "sql.care", "feed",
    "sql.migrations", "sql.write", "sql.write.derived", "sql.search", "sql.search.sqlite",
    "sql.search.postgresql", "sql.search.base", "concurrency", "sql.database.engines",
    "sql.database.file", "sql.database", "sql.read", "transport", "settings", "sql.schema",
    "store", "search", "export", "export.document", "prices", "domain.events", "domain.sessions",
    "domain", "machine", "sql.migrations.versions",
]  # fmt: skip
CLIENT_ROOMS = [
    "cli", "board", "board.view", "board.state", "mcp", "console.runs", "console.imports",
    "console.events", "console.tables", "console", "console.terminal", "sessions.starts",
    "sessions", "upkeep", "history.importer", "history.importer.delivery",
    "history.importer.sources", "runs.supervision", "runs", "acp", "acp.presets", "claude", "codex",
    "history.formats.claude", "history.formats.codex", "history.formats.copilot",
    "history.formats.gemini", "history.formats.opencode", "history.formats.predecessor",
    "history.formats", "history", "transcripts", "rpc", "executors.program", "executors", "outbox",
    "agents", "client.connection", "client.read", "client", "events", "machine", "config",
    "session_client", "shared",
]  # fmt: skip


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports in any place, a relative import with its dots."""
    return tuple(names_in(parse(path)))


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=None):
                yield from (f"{'.' * node.level}{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                yield f"{'.' * node.level}{node.module}"
                yield from (f"{'.' * node.level}{node.module}.{a.name}" for a in node.names)
            case ast.stmt() | ast.excepthandler() | ast.match_case():
                yield from names_in(node)  # an expression has no import


def is_room(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*.py"))


def room_of(module: Path, root: Path) -> str:
    """Return the room of a module, of a folder, or of a name in a module."""
    while not is_room(module) and not module.with_suffix(".py").is_file():
        module = module.parent
    is_next_to_the_folders = module.parent == root and not module.is_dir()
    room = module if module.is_dir() or is_next_to_the_folders else module.parent
    return ".".join(room.relative_to(root).parts)


def imported_rooms(path: Path, root: Path) -> Iterator[str]:
    """Yield the rooms that a file imports from, by absolute or relative names."""
    for name in imports(path):
        dots = len(name) - len(name.lstrip("."))
        parts = name.strip(".").split(".")
        if dots:
            yield room_of(path.parents[dots - 1].joinpath(*parts), root)
        elif parts[0] == root.name and parts[1:] != ["__version__"]:
            yield room_of(root.joinpath(*parts[1:]), root)


@pytest.mark.parametrize(
    ("root", "order"), [(SERVICE, SERVICE_ROOMS), (CLIENT, CLIENT_ROOMS)], ids=["service", "client"]
)
def test_imports_point_down(root: Path, order: list[str]) -> None:
    violations = []
    for path in files(root):
        room = room_of(path.with_suffix("") if path.name != "__init__.py" else path.parent, root)
        if not room or path.name == "env.py":  # the whole package; the file that Alembic runs
            continue
        below = order[order.index(room) :] if room in order else []
        violations += [
            f"{path.relative_to(root)} imports {other}"
            for other in sorted(set(imported_rooms(path, root)) - {"", *below})
        ]
    assert violations == []


@pytest.mark.parametrize(
    ("root", "order"), [(SERVICE, SERVICE_ROOMS), (CLIENT, CLIENT_ROOMS)], ids=["service", "client"]
)
def test_every_room_is_in_the_order(root: Path, order: list[str]) -> None:
    rooms = {room_of(path.with_suffix(""), root) for path in files(root)} - {"", "__init__"}
    assert sorted(order) == sorted(rooms)


def test_use_cases_and_routes_do_not_import_sql() -> None:
    """Only the modules that start the service combine both."""
    knowing = [
        (path, name)
        for room in ("api", "manager", "feed", "concurrency", "background")
        for path in files(SERVICE / room)
        for name in imports(path)
        if name.startswith("agent_session_manager.sql")
    ]
    assert knowing == []


def test_modules_below_the_api_do_not_import_http() -> None:
    http = {"fastapi", "starlette", "uvicorn", "pydantic", "httpx"}
    above = {"api", "cli", "serve.py", "cli.py", "transport"}
    below = [path for path in files(SERVICE) if path.relative_to(SERVICE).parts[0] not in above]
    below.remove(SERVICE / "alerts/webhook.py")  # a client of other servers
    assert [(p, n) for p in below for n in imports(p) if n.split(".")[0] in http] == []


def test_domain_imports_only_the_standard_library() -> None:
    for path in files(SERVICE / "domain"):
        tops = {name.split(".")[0] for name in imports(path)}
        assert "sqlalchemy" not in tops
        assert tops <= {
            "", "__future__", "agent_session_manager", "agent_shared", "base64", "binascii",
            "collections", "dataclasses", "datetime", "enum", "functools", "hashlib", "itertools",
            "json", "math", "re", "secrets", "typing", "unicodedata",
        }, path  # fmt: skip


def test_shared_imports_only_the_standard_library() -> None:
    for path in files(CLIENT / "shared"):
        third_party = {
            name
            for name in imports(path)
            if not name.startswith(".") and name.split(".")[0] not in sys.stdlib_module_names
        }
        assert third_party - {"psutil"} == set(), path  # `place` imports it where it needs it
        assert [name for name in imports(path) if name.startswith("..")] == [], path


def test_no_import_crosses_the_wire() -> None:
    for root, other in ((SERVICE, "agent_orchestrator"), (CLIENT, "agent_session_manager")):
        crossing = [(p, n) for p in files(root) for n in imports(p) if n.split(".")[0] == other]
        assert crossing == []


def test_contract_files_do_not_import_our_modules() -> None:
    allowed = {"session_client.py": {"httpx"}, "config.py": set[str]()}
    for name, third_party in allowed.items():
        tops = {module.split(".")[0] for module in imports(CLIENT / name)}
        assert "" not in tops, "a relative import"
        assert not tops & {"lib", "agent_orchestrator"}
        assert tops - third_party <= {
            "contextlib", "dataclasses", "fcntl", "functools", "json", "os", "pathlib", "re",
            "stat", "typing", "urllib",
        }  # fmt: skip


def test_no_source_file_exceeds_the_line_limit() -> None:
    sources = [*files(SERVICE), *files(CLIENT), *files(ROOT / "scripts")]
    sources += [*files(ROOT / "benchmarks"), *files(ROOT / "tests")]
    sources += sorted((ROOT / "dashboard" / "src").rglob("*.ts*"))
    sources += sorted((ROOT / "dashboard" / "src").rglob("*.css"))
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in sources}
    too_long = {path.name for path, length in lengths.items() if length > MAX_LINES}
    assert too_long == {"types.gen.ts"}  # generated


def all_errors(
    of: type[OrchestratorError] = OrchestratorError,
) -> Iterator[type[OrchestratorError]]:
    for error in of.__subclasses__():
        yield error
        yield from all_errors(error)


def test_every_error_has_a_status_and_a_unique_code() -> None:
    assert set(all_errors()) == set(STATUS)
    codes = [code for _, code in STATUS.values()]
    assert len(set(codes)) == len(codes)
    assert {status for status, _ in STATUS.values()} <= {
        400,
        401,
        403,
        404,
        409,
        410,
        413,
        422,
        500,
        503,
        507,
    }


def dashboard_rows() -> dict[str, int]:
    """Return the folders and files in the table of the dashboard's README, each with its row."""
    table = re.findall(
        r"^\| (`.*?) +\|", (DASHBOARD / "README.md").read_text("utf-8"), re.MULTILINE
    )
    return {place: row for row, names in enumerate(table) for place in re.findall("`(.+?)`", names)}


def dashboard_imports(path: Path) -> Iterator[Path]:
    for name in re.findall(r'(?:from|import|import\() ?"(\.[^"]+)"', path.read_text("utf-8")):
        named = (path.parent / f"{name}{ending}" for ending in (".ts", ".tsx", ""))
        yield next(file.resolve() for file in named if file.is_file())


def test_dashboard_imports_point_down() -> None:
    """A module imports from its folder, and from the rows below its own in the README."""
    rows = dashboard_rows()

    def row_of(path: Path) -> int:
        name = path.relative_to(DASHBOARD / "src").as_posix()
        return rows[max((place for place in rows if name.startswith(place)), key=len)]

    violations = [
        f"{path.relative_to(DASHBOARD)} imports {other.relative_to(DASHBOARD)}"
        for path in sorted((DASHBOARD / "src").rglob("*.ts*"))
        for other in dashboard_imports(path)
        if other.suffix != ".svg" and row_of(other) < row_of(path) + (other.parent != path.parent)
    ]
    assert violations == []
