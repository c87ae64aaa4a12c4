"""Finding agent definitions, and choosing between definitions of the same name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..machine.ownership import find_doubt, find_doubt_below
from ..machine.projects import is_repository
from .agent import Agent, AgentError, AgentListing, Fields, agent_from
from .folder import fields_of_folder
from .markdown import fields_of_markdown


def list_agents(*, agents_dir: Path, project_dir: Path, claude_dir: Path) -> AgentListing:
    """Read every definition; of several with the same name, list the one with precedence."""
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
    """Return the agent with this name.

    Names are compared, never joined to a path, so that no name leads out of the folders.

    Raises:
        AgentError: no agent has that name, or its definition is not valid.
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
    names = f"there are: {', '.join(sorted(known))}" if known else "no agents are defined"
    raise AgentError(name, f"no agent {name!r}; {names}")


def _definitions(
    agents_dir: Path, project_dir: Path, claude_dir: Path
) -> Iterator[Agent | AgentError]:
    """Yield every definition; the first definition of a name has precedence."""
    for folder in _entries(agents_dir):
        if isinstance(folder, AgentError):
            yield folder
        elif os.path.lexists(folder / "agent.json"):
            found = _read(folder / "agent.json", folder.name, fields_of_folder)
            if found is not None:
                yield found
    seen: set[tuple[int, int]] = set()
    for base in (*_project_dirs(project_dir), claude_dir):
        root = base if base == claude_dir else base / ".claude"
        is_of_a_parent = base not in (project_dir, claude_dir)
        # Within one directory the last file has precedence, as in Claude Code.
        for source in reversed(list(_markdown_files(root / "agents", seen))):
            if isinstance(source, AgentError):
                yield source
            elif is_of_a_parent and (doubt := find_doubt_below(base, source)):
                yield AgentError(source.stem, f"ignored: {doubt}", source)
            elif (found := _read(source, source.stem, fields_of_markdown)) is not None:
                yield found


def _project_dirs(project_dir: Path) -> Iterator[Path]:
    """Yield the directories whose agents Claude Code reads for a project, the nearest first."""
    for directory in (project_dir, *project_dir.parents):
        # Files in a parent decide which programs run, so the parent must be ours.
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
    """Yield the `.md` files of a directory tree; follow links, visit each directory once."""
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
    """Read one definition; return None if the file is not meant as a definition."""
    try:
        fields = read(source)
        if fields is None:
            return None
        fields = {"name": name, **fields}
        name = fields["name"] if isinstance(fields["name"], str) else name
        return agent_from(source, fields)
    except RecursionError:
        return AgentError(name, "it is nested too deeply", source)
    except (OSError, ValueError) as exc:  # invalid JSON is a ValueError
        return AgentError(name, str(exc), source)
