"""Imports point down, never across the wire, and no file grows into the one that all fear."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from agent_session_manager.api.errors import STATUS
from agent_session_manager.domain.errors import OrchestratorError

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "src" / "agent_session_manager"
CLIENT = ROOT / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib"
MAX_LINES = 400

# What each part of the service may import of the service, besides itself.
LAYERS: dict[str, set[str]] = {
    "clock": set(),
    "domain": set(),
    "settings": {"domain", "sqlite_url"},
    "discovery": {"place", "private"},
    "place": set(),
    "private": set(),
    "sqlite_url": set(),
    "log_lines": set(),
    "inherited": set(),
    "migrations": {"store"},
    "store": {"domain", "migrations", "place", "private", "sqlite_url"},
    "ingest": {"domain", "store"},
    "bells": set(),
    "reaper": {"clock", "store"},
    "tail": {"domain", "store"},
    "feed": {"domain", "store", "bells", "tail"},
    "family_feed": {"domain", "store", "feed"},
    "transcripts": {"domain", "store", "ingest"},
    "manager": {
        *("domain", "store", "ingest", "bells", "feed", "family_feed", "reaper", "tail"),
        *("clock", "transcripts"),
    },
    "retention": {"clock", "store"},
    "backups": {"clock", "discovery"},
    "upkeep": {"clock", "settings", "manager", "retention", "backups"},
    "api": {
        *("domain", "store", "tail", "feed", "manager", "settings", "discovery", "upkeep"),
        "clock",
    },
    "cli_options": {"store", "settings", "discovery", "log_lines"},
    "maintenance_cli": {"store", "settings", "discovery", "cli_options"},
    "cli": {
        *("api", "store", "settings", "discovery", "cli_options", "maintenance_cli", "log_lines"),
        *("place", "inherited"),
    },
}


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Each module that a file imports, wherever in it, a relative one with its dots."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=None):
                yield from (f"{'.' * node.level}{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                yield f"{'.' * node.level}{node.module}"
                yield from (f"{'.' * node.level}{node.module}.{a.name}" for a in node.names)


def layer_of(path: Path) -> str:
    return path.relative_to(SERVICE).parts[0].removesuffix(".py")


def test_service_imports_point_down() -> None:
    violations = []
    for path in files(SERVICE):
        parts = [name.split(".") for name in imports(path)]
        own = {part[1] for part in parts if part[0] == SERVICE.name and len(part) > 1}
        layer = layer_of(path)
        above = own - {"__version__", layer} - LAYERS.get(layer, set())
        violations += [(str(path.relative_to(SERVICE)), name) for name in sorted(above)]
    assert violations == []


def test_every_part_of_the_service_has_its_place() -> None:
    assert {layer_of(path) for path in files(SERVICE)} - {"__init__"} == set(LAYERS)


def test_store_below_the_api_is_its_protocol_alone() -> None:
    """Handlers know what a store is, not that it speaks SQL."""
    for path in files(SERVICE / "api"):
        if path.name != "server.py":  # where everything is put together
            used = {
                name for name in imports(path) if name.startswith("agent_session_manager.store")
            }
            assert {".".join(name.split(".")[:3]) for name in used} <= {
                "agent_session_manager.store.base",
                "agent_session_manager.store.feeds",
                "agent_session_manager.store.transcripts",
            }, path


def test_below_the_api_nothing_knows_http() -> None:
    http = {"fastapi", "starlette", "uvicorn", "pydantic", "httpx"}
    below = [path for path in files(SERVICE) if layer_of(path) not in ("api", "cli")]
    assert [(p, n) for p in below for n in imports(p) if n.split(".")[0] in http] == []


def test_domain_needs_the_standard_library_alone() -> None:
    for path in files(SERVICE / "domain"):
        tops = {name.split(".")[0] for name in imports(path)}
        assert "sqlalchemy" not in tops
        assert tops <= {
            "", "__future__", "agent_session_manager", "base64", "binascii", "collections",
            "dataclasses", "datetime", "enum", "functools", "hashlib", "itertools", "json", "math",
            "re", "typing", "unicodedata",
        }, path  # fmt: skip


def test_no_import_crosses_the_wire() -> None:
    for root, other in ((SERVICE, "agent_orchestrator"), (CLIENT, "agent_session_manager")):
        crossing = [(p, n) for p in files(root) for n in imports(p) if n.split(".")[0] == other]
        assert crossing == []


def test_contract_files_import_none_of_ours() -> None:
    allowed = {"session_client.py": {"httpx"}, "config.py": set[str]()}
    for name, third_party in allowed.items():
        tops = {module.split(".")[0] for module in imports(CLIENT / name)}
        assert "" not in tops, "a relative import"
        assert not tops & {"lib", "agent_orchestrator"}
        assert tops - third_party <= {
            "contextlib", "dataclasses", "fcntl", "functools", "json", "os", "pathlib", "re",
            "stat", "typing", "urllib",
        }  # fmt: skip


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files(SERVICE)}
    lengths |= {path: len(path.read_text("utf-8").splitlines()) for path in files(CLIENT)}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def all_errors(
    of: type[OrchestratorError] = OrchestratorError,
) -> Iterator[type[OrchestratorError]]:
    for error in of.__subclasses__():
        yield error
        yield from all_errors(error)


def test_every_error_has_a_row_in_the_table_and_a_code_of_its_own() -> None:
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
