"""The real agents of the scenario: how each is started offline, and what its tools are called."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.claude.conftest import OFFLINE
from tests.codex.conftest import CONFIG
from tests.support.model_server import tool

Json = dict[str, Any]

KEY = "a-key-that-is-not-one-and-long-enough"
"""Copilot CLI replaces the text of its key everywhere, so the key must not be a word."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Files and variables with which an agent finds the stand-in instead of its models."""

    variables: Mapping[str, str]
    files: Mapping[str, str]
    """Contents, by path in the home directory."""


@dataclass(frozen=True, kw_only=True)
class RealAgent:
    """One agent."""

    name: str
    """Name of its executor or preset."""
    setup: Callable[[str, Path], Setup]
    """Returns the setup for the URL of a stand-in and a home directory."""
    read: Callable[[str], Json]
    """Returns a step of the model that reads the file of this path."""
    edit: Callable[[str, str, str], Json]
    """Returns a step that replaces a text by another in the file of this path."""
    run: Callable[[str], Json]
    """Returns a step that runs a shell command."""
    program: str
    continuing: tuple[str, ...] = ()
    """Command that continues a conversation `{id}` with a `{prompt}`, for an agent that the
    orchestrator does not resume."""
    mode: str = "default"


def _claude(url: str, home: Path) -> Setup:
    return Setup(
        variables={**OFFLINE, "ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}, files={}
    )


def _codex(url: str, home: Path) -> Setup:
    config = CONFIG.format(url=json.dumps(f"{url}/v1"))
    return Setup(variables={"STAND_IN_KEY": KEY}, files={".codex/config.toml": config})


def _copilot(url: str, home: Path) -> Setup:
    variables = {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": KEY,
        "COPILOT_MODEL": "stand-in",
    }
    return Setup(variables=variables, files={})


def _opencode(url: str, home: Path) -> Setup:
    model = {
        "tool_call": True,
        "limit": {"context": 100_000, "output": 4000},
        "cost": {"input": 1, "output": 2},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {"model": model},
    }
    config = {
        "provider": {"stand-in": provider},
        "model": "stand-in/model",
        "small_model": "stand-in/model",
        "enabled_providers": ["stand-in"],
        "share": "disabled",
    }
    variables = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }
    return Setup(variables=variables, files={})


def _vibe(url: str, home: Path) -> Setup:
    config = f"""\
active_model = "stand-in"
enable_auto_update = false
enable_update_checks = false
enable_telemetry = false
enable_connectors = false
[[providers]]
name = "stand-in"
api_base = "{url}/v1"
api_key_env_var = "VIBE_STAND_IN_KEY"
api_style = "openai"
backend = "generic"
[[models]]
name = "stand-in"
provider = "stand-in"
alias = "stand-in"
input_price = 1.0
output_price = 2.0
"""
    variables = {"VIBE_HOME": str(home / ".vibe"), "VIBE_STAND_IN_KEY": KEY, "MISTRAL_API_KEY": KEY}
    return Setup(variables=variables, files={".vibe/config.toml": config})


def _kimi(url: str, home: Path) -> Setup:
    variables = {
        "KIMI_MODEL_NAME": "stand-in",
        "KIMI_MODEL_API_KEY": KEY,
        "KIMI_MODEL_BASE_URL": f"{url}/v1",
        "KIMI_MODEL_PROVIDER_TYPE": "openai",
        "KIMI_DISABLE_TELEMETRY": "1",
    }
    return Setup(variables=variables, files={})


def _qwen(url: str, home: Path) -> Setup:
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "model": {"name": "stand-in"},
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    variables = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_MODEL": "stand-in",
    }
    return Setup(variables=variables, files={".qwen/settings.json": json.dumps(settings)})


def _gemini(url: str, home: Path) -> Setup:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
    }
    variables = {
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        # With the default, a request to choose a model comes before each turn.
        "GEMINI_MODEL": "gemini-2.5-flash",
    }
    return Setup(variables=variables, files={".gemini/settings.json": json.dumps(settings)})


def _patch(path: str, old: str, new: str) -> Json:
    patch = f"*** Begin Patch\n*** Update File: {path}\n@@\n-{old}\n+{new}\n*** End Patch"
    return tool("exec_command", cmd=f"apply_patch <<'EOP'\n{patch}\nEOP")


AGENTS = (
    RealAgent(
        name="claude",
        setup=_claude,
        program="claude",
        read=lambda path: tool("Read", file_path=path),
        edit=lambda path, old, new: tool("Edit", file_path=path, old_string=old, new_string=new),
        run=lambda line: tool("Bash", command=line),
    ),
    RealAgent(
        name="codex",
        setup=_codex,
        program="codex",
        read=lambda path: tool("exec_command", cmd=f"cat '{path}'"),
        edit=_patch,
        run=lambda line: tool(
            "exec_command",
            cmd=line,
            sandbox_permissions="require_escalated",
            justification="to see",
        ),
    ),
    RealAgent(
        name="copilot",
        setup=_copilot,
        program="copilot",
        read=lambda path: tool("view", path=path),
        edit=lambda path, old, new: tool("edit", path=path, old_str=old, new_str=new),
        run=lambda line: tool("bash", command=line, description="run it"),
    ),
    RealAgent(
        name="opencode",
        setup=_opencode,
        program="opencode",
        read=lambda path: tool("read", filePath=path),
        edit=lambda path, old, new: tool("edit", filePath=path, oldString=old, newString=new),
        run=lambda line: tool("bash", command=line, description="run it"),
    ),
    RealAgent(
        name="vibe",
        setup=_vibe,
        program="vibe-acp",
        read=lambda path: tool("read_file", path=path),
        edit=lambda path, old, new: tool("edit", file_path=path, old_string=old, new_string=new),
        run=lambda line: tool("bash", command=line),
    ),
    RealAgent(
        name="kimi",
        setup=_kimi,
        program="kimi",
        mode="acceptEdits",  # it has no mode in which it asks before it edits
        read=lambda path: tool("Read", path=path),
        edit=lambda path, old, new: tool("Edit", path=path, old_string=old, new_string=new),
        run=lambda line: tool("Bash", command=line),
    ),
    RealAgent(
        name="qwen",
        setup=_qwen,
        program="qwen",
        read=lambda path: tool("read_file", file_path=path),
        edit=lambda path, old, new: tool("edit", file_path=path, old_string=old, new_string=new),
        run=lambda line: tool("run_shell_command", command=line, is_background=False),
    ),
    RealAgent(
        name="gemini",
        setup=_gemini,
        program="gemini",
        continuing=("gemini", "--resume", "{id}", "--prompt", "{prompt}"),
        read=lambda path: tool("read_file", file_path=path),
        edit=lambda path, old, new: tool(
            "replace", file_path=path, old_string=old, new_string=new, instruction="change it"
        ),
        run=lambda line: tool("run_shell_command", command=line),
    ),
)
