"""Agent definitions on disk: where they are, what they may say, and which one a name means.

Two forms are read, never written: ours (`<agents_dir>/<name>/agent.json` with an optional
`agent.system-prompt.md` and `agent.mcp.json`) and Claude Code's own (`.claude/agents/*.md`, in the
project, then in the person's home). On one name ours wins, then the project's. A definition that
cannot be used is reported beside the others and never hides them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Fields = dict[str, Any]
"""What a definition says, before it is known to be usable."""


class AgentError(Exception):
    """An agent definition cannot be used, or there is none of that name."""

    def __init__(self, name: str, problem: str, source: Path | None = None) -> None:
        super().__init__(f"{source}: {problem}" if source else problem)
        self.name = name
        self.source = source


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


def list_agents(*, agents_dir: Path, project_dir: Path, home: Path) -> AgentListing:
    """Read every definition; of several with one name only the one that counts is listed."""
    chosen: dict[str, Agent | AgentError] = {}
    errors = []
    for found in _definitions(agents_dir, project_dir, home):
        chosen.setdefault(found.name, found)
        if isinstance(found, AgentError):
            errors.append(found)
    agents = tuple(agent for _, agent in sorted(chosen.items()) if isinstance(agent, Agent))
    return AgentListing(agents=agents, errors=tuple(errors))


def find_agent(name: str, *, agents_dir: Path, project_dir: Path, home: Path) -> Agent:
    """Return the agent that a name means.

    Names are compared, never joined to a path, so that no name leads out of the folders.

    Raises:
        AgentError: nothing has that name, or the definition that has it cannot be used.
    """
    known = set()
    for found in _definitions(agents_dir, project_dir, home):
        if found.name == name:
            if isinstance(found, AgentError):
                raise found
            return found
        known.add(found.name)
    names = f"there are: {', '.join(sorted(known))}" if known else "there are none"
    raise AgentError(name, f"no agent {name!r}; {names}")


def _definitions(agents_dir: Path, project_dir: Path, home: Path) -> Iterator[Agent | AgentError]:
    """Yield every definition, the one that counts for a name first."""
    for source in sorted(agents_dir.glob("*/agent.json")):
        yield _read(source, source.parent.name, _fields_of_folder)
    for root in (project_dir, home):
        for source in sorted((root / ".claude" / "agents").rglob("*.md")):
            if _has_front_matter(source):
                yield _read(source, source.stem, _fields_of_markdown)


def _read(source: Path, name: str, read: Callable[[Path], Fields]) -> Agent | AgentError:
    try:
        fields = {"name": name, **read(source)}
        name = fields["name"] if isinstance(fields["name"], str) else name
        return _agent(source, fields)
    except (OSError, ValueError) as exc:  # a broken JSON or UTF-8 text is a ValueError
        return AgentError(name, str(exc), source)


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
        fields["system_prompt"] = prompt.read_text("utf-8-sig") or None
    servers = source.with_name("agent.mcp.json")
    if servers.exists():
        try:
            fields["mcp_servers"] = _mapping(_json_object(servers), "mcpServers")
        except ValueError as exc:
            raise ValueError(f"{servers.name}: {exc}") from exc
    return fields


def _json_object(source: Path) -> Fields:
    fields = json.loads(source.read_text("utf-8-sig"))
    if not isinstance(fields, dict):
        raise ValueError("must be a JSON object")
    return fields


FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
"""Between two lines of three dashes, at the very beginning."""
CLAUDE_KEYS = {
    "name": "name",
    "description": "description",
    "tools": "tools",
    "disallowedTools": "disallowed_tools",
    "model": "model",
    "permissionMode": "permission_mode",
}


def _has_front_matter(source: Path) -> bool:
    """Whether a file is meant as a definition; a README beside them is not."""
    try:
        with source.open("rb") as opened:
            return opened.read(8).removeprefix(b"\xef\xbb\xbf").startswith(b"---")
    except OSError:
        return True  # reading it again says what is wrong


def _fields_of_markdown(source: Path) -> Fields:
    text = source.read_text("utf-8-sig")
    found = FRONT_MATTER.match(text)
    if found is None:
        raise ValueError("the front matter has no closing line of three dashes")
    front = _front_matter(found[1])
    if not front.get("name"):
        raise ValueError("the front matter has no name")
    fields = {ours: front[theirs] for theirs, ours in CLAUDE_KEYS.items() if theirs in front}
    for key in ("tools", "disallowed_tools"):
        if isinstance(fields.get(key), str):
            fields[key] = _split_tools(fields[key])
    if isinstance(front.get("mcpServers"), dict):
        fields["mcp_servers"] = front["mcpServers"]
    fields["system_prompt"] = text[found.end() :].strip() or None
    return fields


def _split_tools(tools: str) -> list[str]:
    """Cut at the commas that are not inside parentheses: `Read, Bash(git log:*, git diff:*)`."""
    return [tool.strip() for tool in re.split(r",(?![^(]*\))", tools) if tool.strip()]


def _front_matter(text: str) -> Mapping[str, Any]:
    """Parse what stands between the dashes.

    Claude Code writes descriptions with colons in them and without quotes, which YAML refuses and
    Claude Code itself reads; so does this.
    """
    import yaml  # late: most projects have none of these files

    try:
        try:
            front = yaml.safe_load(text)
        except yaml.YAMLError:
            front = yaml.safe_load(re.sub(r"(?m)^(\w+):[ \t]+([^\s\"'\[{>|&].*)$", _quoted, text))
    except yaml.YAMLError as exc:
        raise ValueError(f"the front matter is not YAML: {' '.join(str(exc).split())}") from exc
    if not isinstance(front, dict):
        raise ValueError("the front matter must be `key: value` lines")
    return front


def _quoted(line: re.Match[str]) -> str:
    return f"{line[1]}: {json.dumps(line[2])}"
