"""Agent definitions on disk: where they are, what they may say, and which one a name means.

Two forms are read, never written: ours (`<agents_dir>/<name>/agent.json` with an optional
`agent.system-prompt.md` and `agent.mcp.json`) and Claude Code's own (`.claude/agents/**/*.md`, in
the project and its parents up to the repository's root, then the person's). On one name ours wins,
then the nearest to the project. A definition that cannot be used is reported beside the others and
never hides them.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..machine.ownership import find_doubt, find_doubt_below
from ..machine.projects import is_repository

MAX_FILE_BYTES = 1 << 20
"""Claude Code ignores a larger definition."""

Fields = dict[str, Any]
"""What a definition says, before it is known to be usable."""


class AgentError(Exception):
    """An agent definition cannot be used, or there is none of that name."""

    def __init__(self, name: str, problem: str, source: Path | None = None) -> None:
        super().__init__(f"{source}: {problem}" if source else problem)
        self.name = name
        self.source = source
        self.is_of_the_name = source is not None and source.name == "agent.json"
        """Whether it hides others of its name: the name of a Markdown file means nothing."""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A named definition: what an executor applies to a run."""

    name: str
    source: Path
    """The file that defines it."""
    description: str = ""
    executor: str | None = None
    command: tuple[str, ...] = ()
    system_prompt: str | None = None
    tools: tuple[str, ...] | None = None
    """The only tools it has; `None` leaves them all, an empty tuple none."""
    disallowed_tools: tuple[str, ...] = ()
    model: str | None = None
    permission_mode: str | None = None
    mcp_servers: dict[str, Any] = field(default_factory=dict)
    """Name to configuration, as in `mcpServers` of Claude Code's `.mcp.json`."""


@dataclass(frozen=True, kw_only=True)
class AgentListing:
    """All agents that can be used, and what is wrong with the others."""

    agents: tuple[Agent, ...]
    errors: tuple[AgentError, ...]


def list_agents(*, agents_dir: Path, project_dir: Path, claude_dir: Path) -> AgentListing:
    """Read every definition; of several with one name only the one that counts is listed."""
    chosen: dict[str, Agent | AgentError] = {}
    errors = []
    for found in _definitions(agents_dir, project_dir, claude_dir):
        if isinstance(found, AgentError):
            errors.append(found)
        if isinstance(found, Agent) or found.is_of_the_name:
            chosen.setdefault(found.name, found)
    agents = tuple(agent for _, agent in sorted(chosen.items()) if isinstance(agent, Agent))
    return AgentListing(agents=agents, errors=tuple(errors))


def find_agent(name: str, *, agents_dir: Path, project_dir: Path, claude_dir: Path) -> Agent:
    """Return the agent that a name means.

    Names are compared, never joined to a path, so that no name leads out of the folders.

    Raises:
        AgentError: nothing has that name, or the definition that has it cannot be used.
    """
    known = set()
    broken = None
    for found in _definitions(agents_dir, project_dir, claude_dir):
        if isinstance(found, Agent):
            if found.name == name:
                return found
            known.add(found.name)
        elif found.name == name:
            if found.is_of_the_name:
                raise found
            broken = broken or found
    if broken is not None:
        raise broken
    names = f"there are: {', '.join(sorted(known))}" if known else "there are none"
    raise AgentError(name, f"no agent {name!r}; {names}")


def _definitions(
    agents_dir: Path, project_dir: Path, claude_dir: Path
) -> Iterator[Agent | AgentError]:
    """Yield every definition, the one that counts for a name first."""
    for folder in _entries(agents_dir):
        if isinstance(folder, AgentError):
            yield folder
        elif os.path.lexists(folder / "agent.json"):
            found = _read(folder / "agent.json", folder.name, _fields_of_folder)
            if found is not None:
                yield found
    seen: set[tuple[int, int]] = set()
    for base in (*_project_dirs(project_dir), claude_dir):
        root = base if base == claude_dir else base / ".claude"
        is_of_a_parent = base not in (project_dir, claude_dir)
        # Of one directory the last one counts, as for Claude Code.
        for source in reversed(list(_markdown_files(root / "agents", seen))):
            if isinstance(source, AgentError):
                yield source
            elif is_of_a_parent and (doubt := find_doubt_below(base, source)):
                yield AgentError(source.stem, f"it is passed over: {doubt}", source)
            elif (found := _read(source, source.stem, _fields_of_markdown)) is not None:
                yield found


def _project_dirs(project_dir: Path) -> Iterator[Path]:
    """Yield the directories whose agents Claude Code reads for a project, the nearest first."""
    for directory in (project_dir, *project_dir.parents):
        # What stands in a parent decides what runs, so it has to be ours.
        if directory == project_dir or not find_doubt(directory):
            yield directory
        if is_repository(directory / ".git"):
            return


def _entries(directory: Path) -> Sequence[Path | AgentError]:
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        return [AgentError(directory.name, str(exc), directory)]


def _markdown_files(directory: Path, seen: set[tuple[int, int]]) -> Iterator[Path | AgentError]:
    """Yield the `.md` files of a directory and those below, links followed, each directory once."""
    waiting = [directory]
    while waiting:
        path = waiting.pop()
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            status = None
        except OSError as exc:
            yield AgentError(path.stem, str(exc), path)
            continue
        if status is not None and stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                entries = _entries(path)
                yield from (entry for entry in entries if isinstance(entry, AgentError))
                waiting += reversed([entry for entry in entries if isinstance(entry, Path)])
        elif path.suffix == ".md" and path != directory:
            yield path


def _read(
    source: Path, name: str, read: Callable[[Path], Fields | None]
) -> Agent | AgentError | None:
    """Read one definition; None where a file is not meant as one."""
    try:
        fields = read(source)
        if fields is None:
            return None
        fields = {"name": name, **fields}
        name = fields["name"] if isinstance(fields["name"], str) else name
        return _agent(source, fields)
    except RecursionError:
        return AgentError(name, "it is nested too deeply", source)
    except (OSError, ValueError) as exc:  # a broken JSON text is a ValueError
        return AgentError(name, str(exc), source)


def _text_of(source: Path, *, errors: str = "strict") -> str:
    """Return the text of a regular file of bounded size; nothing else can make a reader wait."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    return content.decode("utf-8-sig", errors).replace("\r\n", "\n")


def _agent(source: Path, fields: Fields) -> Agent:
    model = _text(fields, "model")
    command = _texts(fields, "command") or ()
    return Agent(
        name=_text(fields, "name") or "",
        source=source,
        description=_text(fields, "description") or "",
        executor=_text(fields, "executor") or ("command" if command else None),
        command=command,
        system_prompt=_text(fields, "system_prompt"),
        tools=_texts(fields, "tools"),
        disallowed_tools=_texts(fields, "disallowed_tools") or (),
        model=None if model == "inherit" else model,
        permission_mode=_text(fields, "permission_mode"),
        mcp_servers=_mapping(fields, "mcp_servers"),
    )


def _text(fields: Fields, key: str) -> str | None:
    value = fields.get(key)
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError(f"{key} must be a text that is not empty")


def _texts(fields: Fields, key: str) -> tuple[str, ...] | None:
    value = fields.get(key)
    if value is None or value == ["*"]:
        return None
    if isinstance(value, list) and all(isinstance(text, str) and text for text in value):
        return tuple(value)
    raise ValueError(f"{key} must be a list of texts")


def _mapping(fields: Fields, key: str) -> Fields:
    value = fields.get(key, {})
    if isinstance(value, dict) and all(isinstance(server, dict) for server in value.values()):
        return value
    raise ValueError(f"{key} must map a name to an object")


AGENT_JSON_KEYS = frozenset(
    [
        "name",
        "description",
        "executor",
        "command",
        "model",
        "tools",
        "disallowed_tools",
        "permission_mode",
    ]
)


def _fields_of_folder(source: Path) -> Fields:
    fields = _json_object(source)
    if unknown := sorted(fields.keys() - AGENT_JSON_KEYS):
        known = ", ".join(sorted(AGENT_JSON_KEYS))
        raise ValueError(f"unknown key {unknown[0]!r}; known are: {known}")
    prompt = source.with_name("agent.system-prompt.md")
    if prompt.exists():
        fields["system_prompt"] = _text_of(prompt) or None
    servers = source.with_name("agent.mcp.json")
    if servers.exists():
        try:
            fields["mcp_servers"] = _mapping(_json_object(servers), "mcpServers")
        except ValueError as exc:
            raise ValueError(f"{servers.name}: {exc}") from exc
    return fields


def _json_object(source: Path) -> Fields:
    fields = json.loads(_text_of(source))
    if not isinstance(fields, dict):
        raise ValueError("must be a JSON object")
    return fields


CLAUDE_KEYS = {
    "name": "name",
    "description": "description",
    "tools": "tools",
    "disallowedTools": "disallowed_tools",
    "model": "model",
    "permissionMode": "permission_mode",
}


def _fields_of_markdown(source: Path) -> Fields | None:
    text = _text_of(source, errors="replace")
    if not text.startswith("---"):
        return None  # a README beside them
    from . import front_matter  # late: it imports YAML, and most projects have none of these files

    parts = front_matter.split(text)
    if parts is None:
        return None
    front = front_matter.parse(parts[0])
    for key in ("name", "description"):
        if not front.get(key):
            raise ValueError(f"the front matter has no {key}: Claude Code ignores this file")
        if not isinstance(front[key], str):
            raise ValueError(f"{key} must be a text that is not empty")
    if front["name"].startswith("-") or ":" in front["name"]:
        raise ValueError("the name begins with `-` or has a colon: Claude Code ignores this file")
    fields = {ours: front[theirs] for theirs, ours in CLAUDE_KEYS.items() if theirs in front}
    for key in ("tools", "disallowed_tools"):
        if isinstance(fields.get(key), str):
            fields[key] = _split_tools(fields[key])
    fields["mcp_servers"] = _inline_servers(front.get("mcpServers"))
    fields["system_prompt"] = parts[1].strip() or None
    return fields


def _inline_servers(given: Any) -> Fields:
    """Return the servers that are defined in the file; one that is only named is the person's."""
    parts = given if isinstance(given, list) else [given]
    return {
        name: server for part in parts if isinstance(part, dict) for name, server in part.items()
    }


def _split_tools(tools: str) -> list[str]:
    """Cut at the commas that are not inside parentheses: `Read, Bash(git log:*, git diff:*)`."""
    parts, begin, depth = [], 0, 0
    for place, character in enumerate(tools):
        if character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            parts.append(tools[begin:place])
            begin = place + 1
    parts.append(tools[begin:])
    return [tool.strip() for tool in parts if tool.strip()]
