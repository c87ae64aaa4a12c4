"""The executors by name, and what the runs of each can be.

Commands and supervisors ask this table, and know no executor by its name. The module of an executor
is imported on its first use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..executors.base import Execution, Executor, ExecutorError
from ..executors.permission_modes import PERMISSION_MODES
from ..machine.environment import claude_dir, config_dir, variables
from ..shared.install_advice import install_command

if TYPE_CHECKING:  # most runs need no preset
    from ..acp.presets.preset import Preset

DEFAULT_EXECUTOR = "claude"


class Presence(NamedTuple):
    """Result of looking for an agent on this machine, for people."""

    text: str
    advice: str | None = None
    """What to do to get it, or its login."""
    matters: bool = False
    """True if the commands are not complete without it."""


@dataclass(frozen=True, kw_only=True)
class ExecutorKind:
    """The facts that hold for all runs of one executor."""

    name: str
    agent: str
    """The agent's name for people."""
    create: Callable[[Execution], Executor]
    look: Callable[[], Presence] | None = None
    """Looks for the agent, its version and its login, without starting a model or using a network.
    None if the user names the program."""
    takes_program: bool = False
    """True if the user names the program with its arguments."""
    needs_prompt: bool = True
    can_ask: bool = True
    """True if a person can be asked what the agent asks for."""
    has_limits: bool = False
    """True if it counts cost and turns, so that `max_cost` and `max_turns` can limit them."""
    permission_modes: tuple[str, ...] = PERMISSION_MODES
    can_limit_tools: bool = False
    """True if it applies `tools` and `disallowed_tools` of an agent definition."""
    names_conversations: bool = False
    """True if the agent gives each conversation an id of its own; else the first one has the
    session's id."""
    has_conversation: Callable[[str], bool] | None = None
    """Returns whether a conversation is on this machine; None if the executor cannot know it."""
    forget: Callable[[str], list[Path]] | None = None
    """Deletes the agent's own record of a conversation on this machine, and returns its files; None
    if only the agent's own program can do it."""
    can_fork: bool = True
    """True if it can copy a conversation to begin another session with."""
    continue_with: str = ""
    """Command with which the person continues a conversation `{id}`, if a run must not."""
    keeps_transcript: bool = False
    """True if the manager keeps the agent's transcript, so that another machine can resume it."""
    definition: str | None = None
    """Content of the definition, if the user has added the executor."""
    trusted_files: tuple[str, ...] = ()
    """Files of a project that decide which programs the agent runs without asking."""


def _create_claude(execution: Execution) -> Executor:
    from ..claude.executor import ClaudeExecutor

    return ClaudeExecutor(execution)


def _look_for_claude() -> Presence:
    # Late: only ao-doctor looks, and reading metadata needs the parsers of e-mail and ZIP files.
    from importlib.metadata import version
    from importlib.util import find_spec

    if find_spec("claude_agent_sdk") is None:
        advice = install_command("claude-agent-sdk")
        return Presence("the agent SDK is not installed", advice, matters=True)
    return Presence(f"the agent SDK {version('claude-agent-sdk')} is installed")


def _has_claude_conversation(conversation_id: str) -> bool:
    return any(claude_dir().glob(f"projects/*/{conversation_id}.jsonl"))


def _create_codex(execution: Execution) -> Executor:
    from ..codex.executor import CodexExecutor

    return CodexExecutor(execution)


def _look_for_codex() -> Presence:
    from ..codex.installation import look

    return Presence(*look(variables()))


def _has_codex_thread(conversation_id: str) -> bool:
    from ..codex.installation import has_thread

    return has_thread(conversation_id, variables())


def _delete_codex_thread(conversation_id: str) -> list[Path]:
    from ..codex.installation import delete_thread

    return delete_thread(conversation_id, variables())


def _create_command(execution: Execution) -> Executor:
    from ..executors.program.command import CommandExecutor

    return CommandExecutor(execution)


def _create_acp(execution: Execution) -> Executor:
    from ..acp.executor import AcpExecutor
    from ..acp.presets.table import ACP

    return AcpExecutor(execution, ACP)


_KINDS = (
    ExecutorKind(
        name="claude",
        agent="Claude Code",
        create=_create_claude,
        look=_look_for_claude,
        has_limits=True,
        can_limit_tools=True,
        has_conversation=_has_claude_conversation,
        keeps_transcript=True,
        trusted_files=(
            ".claude",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".mcp.json",
        ),
    ),
    ExecutorKind(
        name="codex",
        agent="Codex",
        create=_create_codex,
        look=_look_for_codex,
        permission_modes=("default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"),
        names_conversations=True,
        has_conversation=_has_codex_thread,
        forget=_delete_codex_thread,
        trusted_files=(".codex", ".codex/config.toml"),
    ),
    ExecutorKind(
        name="command",
        agent="a program",
        create=_create_command,
        takes_program=True,
        needs_prompt=False,
        can_ask=False,
        # A program has neither modes nor tools. A definition may name them for another executor.
        can_limit_tools=True,
    ),
    ExecutorKind(
        name="acp",
        agent="an agent of the Agent Client Protocol",
        create=_create_acp,
        takes_program=True,
        permission_modes=("default", "acceptEdits", "dontAsk", "bypassPermissions"),
        names_conversations=True,
        can_fork=False,
    ),
)
EXECUTORS: Mapping[str, ExecutorKind] = {kind.name: kind for kind in _KINDS}
"""The executors that need no preset; `find_executor` also finds those of presets."""


def find_executor(name: str) -> ExecutorKind:
    """Return the executor of this name, which may be that of a preset of the `acp` executor.

    Raises:
        ExecutorError: no executor has this name, or the file of the user's presets is not valid.
    """
    return EXECUTORS.get(name) or _find_preset(name)


def _find_preset(name: str) -> ExecutorKind:
    # Late: most runs need no preset.
    from ..acp.presets.file import FILE_NAME, read_presets
    from ..acp.presets.table import PRESETS

    preset, definition = PRESETS.get(name), None
    if preset is None:
        path = config_dir() / FILE_NAME
        added = read_presets(path)
        preset = added.get(name)
        if preset is None:
            known = ", ".join([*EXECUTORS, *PRESETS, *added])
            raise ExecutorError(
                f"unknown executor {name!r}; known executors: {known}; others are added in {path}"
            )
        definition = json.dumps(asdict(preset), sort_keys=True)
    return _kind_of(preset, definition)


def _kind_of(preset: Preset, definition: str | None = None) -> ExecutorKind:
    def create(execution: Execution) -> Executor:
        from ..acp.executor import AcpExecutor

        return AcpExecutor(execution, preset)

    def look() -> Presence:
        from ..acp.presets.installation import look

        return Presence(*look(preset, variables()))

    return ExecutorKind(
        name=preset.name,
        agent=preset.agent,
        create=create,
        look=look,
        permission_modes=tuple(preset.modes),
        names_conversations=True,
        can_fork=False,
        continue_with=preset.continue_with,
        definition=definition,
    )


def list_executors() -> list[ExecutorKind]:
    """List all executors, those of presets included.

    Raises:
        ExecutorError: the file of the user's presets is not valid.
    """
    from ..acp.presets.file import FILE_NAME, read_presets
    from ..acp.presets.table import PRESETS

    presets = [*PRESETS.values(), *read_presets(config_dir() / FILE_NAME).values()]
    return [*EXECUTORS.values(), *map(_kind_of, presets)]


def create_executor(execution: Execution) -> Executor:
    """Return the executor that the spec of a run names.

    Raises:
        ExecutorError: no executor has that name.
    """
    return find_executor(execution.spec.executor).create(execution)
