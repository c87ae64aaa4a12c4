"""The facts of a run that has ended or continues, and the next commands, for a person."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

from ...client.manager import Json
from ...machine.environment import given_project_dir, named_working_directory
from ...machine.projects import find_project
from ...sessions.resolve import state_of
from ...shared.plurals import counted
from ..terminal.amounts import duration, money
from ..terminal.cells import filled
from ..terminal.output import answer_session, one_line
from ..terminal.screen import Screen, screen_of


class ChangedFiles:
    """The files that the calls of a run have edited; those of shell commands are not known."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self._calls: dict[str, list[str]] = {}

    def see(self, event: Mapping[str, Any]) -> None:
        """Note an event of the run. An edit counts once it has a result without an error."""
        call = event.get("tool_use_id")
        if not isinstance(call, str):
            return
        if event.get("event_type") == "pre_tool":
            self._calls[call] = list(_edited(event.get("tool_input")))
        elif event.get("event_type") == "post_tool" and not event.get("error"):
            self.paths.update(self._calls.pop(call, ()))


def _edited(given: Any) -> Iterator[str]:
    if not isinstance(given, Mapping):
        return
    is_edit = any(key in given for key in ("old_string", "edits", "content", "new_source"))
    changes = given.get("changes")
    for path in (given.get("file_path"), given.get("notebook_path")):
        if is_edit and isinstance(path, str):
            yield path
    for change in changes if isinstance(changes, list) else ():
        if isinstance(change, Mapping) and isinstance(change.get("path"), str):
            yield change["path"]


def tell_end(before: Json, ended: Json, files: ChangedFiles) -> None:
    """Print the end of a run and the next commands, if stderr is a terminal."""
    if sys.stderr.isatty():
        for line in end_lines(ended, facts(before, ended, files), screen_of(sys.stderr)):
            click.echo(line, err=True)


def end_lines(ended: Json, known: str, screen: Screen) -> Iterator[str]:
    """Yield the facts of a run that has ended, and the next commands, each in one piece."""
    name = argument_of(ended)
    steps = [f"ao-resume {name} -p …", f"ao-dashboard {name}"]
    if ended["reason"] not in (None, "completed"):
        steps.insert(0, f"ao-logs {name} --errors")
    for line in filled([one_line(known), *steps], screen.width, between=" · "):
        yield screen.styled(line, dim=True)


def facts(before: Json, ended: Json, files: ChangedFiles) -> str:
    """Return the end of a run with its time, its cost and its changed files, if they are known."""
    parts = [f"{ended['session_name']} {state_of(ended)}"]
    try:
        begin, end = (datetime.fromisoformat(ended[key]) for key in ("started_at", "finished_at"))
        parts[0] += f" in {duration((end - begin).total_seconds())}"
    except (TypeError, ValueError):
        pass
    if cost := money(_difference(before.get("usage"), ended.get("usage"))):
        parts.append(f"cost {cost}" if cost == "unknown" else cost)
    if files.paths:
        parts.append(f"{counted(len(files.paths), 'file')} changed")
    return ", ".join(parts)


def _difference(before: Any, after: Any) -> dict[str, int]:
    """Return the usage of a run: that of the session after it, without that before it."""
    earlier = before if isinstance(before, dict) else {}
    later = after if isinstance(after, dict) else {}
    return {name: number - earlier.get(name, 0) for name, number in later.items()}


def answer_detached(session: Json, *, as_json: bool) -> None:
    """Print a session whose run continues, and on a terminal the commands for it."""
    answer_session(session, as_json=as_json)
    if not as_json and sys.stderr.isatty():
        for line in detached_lines(session, screen_of(sys.stderr)):
            click.echo(line, err=True)


def detached_lines(session: Json, screen: Screen) -> Iterator[str]:
    name = argument_of(session)
    steps = {
        f"ao-logs {name} --follow": "follow it",
        f"ao-wait {name}": "wait for its end",
        f"ao-send {name} -p …": "send it a message",
        f"ao-stop {name}": "stop it",
    }
    width = max(map(len, steps))
    for step, does in steps.items():
        yield screen.styled(f"  {step.ljust(width)}  {does}", dim=True)


def argument_of(session: Json) -> str:
    """Return the argument with which a command finds a session here: its name, or else its id."""
    here = given_project_dir() or str(find_project(named_working_directory()).directory)
    name = str(session["session_name"])
    is_here = session["project_dir"] == here
    return shlex.quote(name if is_here and name == one_line(name) else session["session_id"])
