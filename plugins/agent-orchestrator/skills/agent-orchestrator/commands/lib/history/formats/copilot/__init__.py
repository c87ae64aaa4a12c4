"""Copilot CLI: a directory for each session, and a database with the usage of all sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ...format import About, Source
from ...items import BrokenRecord, BrokenRecordError, Item, SessionFacts, Title, TitleRank
from ..fields import is_session_id, parse_json, required_session_id, title_line
from ..files import is_inside
from ..titles import prompt_title
from .records import Records
from .usage import requests, row_numbers, rows_of

_EVENTS, _WORKSPACE = "events.jsonl", "workspace.yaml"


class CopilotFormat:
    """The format. A file is read again when its session gets new lines, usage or a new name."""

    name = "copilot"
    version = 1
    about = About(
        agent="Copilot CLI",
        places="`session-state/*/events.jsonl` in `${COPILOT_HOME:-~/.copilot}`",
        evidence="samples",
        newest="1.0.102",
        checked="2026-11-27",
        limits="Costs are not read: the files have credits, not dollars. Usage of versions before "
        "the database is known as sums of each shutdown.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        """Return the directory of Copilot."""
        place = environ.get("COPILOT_HOME")
        return [Path(place) if place else home / ".copilot"]

    def find(self, root: Path) -> Iterator[Source]:
        """Yield the sessions.

        Raises:
            OSError: the database cannot be read now.
        """
        rows = row_numbers(root)
        for path in sorted(root.glob(f"session-state/*/{_EVENTS}")):
            session_id = path.parent.name
            if is_session_id(session_id) and is_inside(path, root):
                files = [path, path.with_name(_WORKSPACE)]
                stamps = [_stamp(file) for file in files if is_inside(file, root)]
                stamp = " ".join([*stamps, rows.get(session_id, "")])
                yield Source(path=path, root=root, key=session_id, stamp=stamp)

    def read(self, source: Source) -> Iterator[Item]:
        """Yield the items of a session: its events in order, then its usage.

        Raises:
            BrokenRecordError: the directory is not that of a session.
            OSError: the file or the database cannot be read now.
        """
        session_id = required_session_id(source.path.parent.name)
        rows = rows_of(source.root, session_id)
        title = _title(source)
        yield SessionFacts(session_id=session_id, title=title)
        records = Records(session_id)
        items = _items(records, source.path)
        yield from items if title else prompt_title(session_id, items)
        yield from requests(session_id, rows, records.usage, records.shutdowns)


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _items(records: Records, path: Path) -> Iterator[Item]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield from records.read(parse_json(line), number)
            except BrokenRecordError as error:
                # The last line may still be written.
                if line.endswith(b"\n"):
                    yield BrokenRecord(place=f"line {number}", reason=str(error))


def _title(source: Source) -> Title | None:
    """Return the name of the session from its `workspace.yaml`."""
    path = source.path.with_name(_WORKSPACE)
    if not is_inside(path, source.root):
        return None
    lines = path.read_text("utf-8", "replace").splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    name = title_line(_scalar(fields.get("name", "")))
    is_chosen = fields.get("user_named") == "true"
    return Title(TitleRank.CHOSEN if is_chosen else TitleRank.GENERATED, name) if name else None


def _scalar(text: str) -> str:
    """Return the text of a YAML scalar on one line. A text of several lines is left out."""
    if text.startswith('"'):
        try:
            return str(parse_json(text))
        except BrokenRecordError:
            return ""
    if text.startswith("'"):
        return text.strip("'").replace("''", "'")
    return "" if text.startswith(("|", ">")) else text


FORMAT = CopilotFormat()
