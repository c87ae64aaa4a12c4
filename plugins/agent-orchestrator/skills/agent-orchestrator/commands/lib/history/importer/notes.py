"""Notes of the hooks of the plugin for Claude Code: which transcripts have grown.

A note is a file with the name of the session, in the state directory. It has the path of the
transcript, as the JSON text that the hook was given. A note is removed after the import of its
transcript. A hook that runs during an import writes a new note.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, cast

from ..format import Format, LineFormat, Source
from .find import sources_below
from .importer import Importer
from .state import State
from .table import all_formats

DIRECTORY = "notes"
FORMAT = "claude"
_PLACE = "projects"
_TAKEN = ".taken"
_MAX_BYTES = 64 * 1024
_UNSETTLED = ("failed", "held")


class Note(NamedTuple):
    """A note that was taken: it is removed by `settle`."""

    file: Path
    transcript: Path | None
    """None: the note is not readable as one."""


class Notes:
    """The notes in a state directory. Two processes can take them at the same time."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / DIRECTORY
        self._tried: set[Path] = set()
        """Notes that could not be imported. They are tried again with the next note of their
        session, and by the next process."""

    def deliver(self, importer: Importer, state: State) -> int:
        """Import the transcripts of all notes, and return the number of notes.

        Raises:
            SessionClientError: the manager cannot be reached. The notes remain.
        """
        taken = list(self._take())
        for note in taken:
            sources = list(sources_of_note(note))
            if sources:
                importer.run(sources)
            found = (state.of(source.path, source.key) for _, source in sources)
            if any(each is not None and each.status in _UNSETTLED for each in found):
                self._tried.add(note.file)
            else:
                note.file.unlink(missing_ok=True)
        return len(taken)

    def _take(self) -> Iterator[Note]:
        try:
            files = sorted(self._directory.iterdir())
        except OSError:  # no hook has written a note yet
            return
        for file in files:
            taken = file if file.suffix == _TAKEN else file.with_name(file.name + _TAKEN)
            if file.name.startswith(".") or (file is taken and file in self._tried):
                continue
            with suppress(FileNotFoundError):  # another process has taken it
                file.replace(taken)
                self._tried.discard(taken)
                yield Note(taken, _transcript(taken))


def _transcript(note: Path) -> Path | None:
    """Return the transcript that a note names, if it is at a place of Claude Code."""
    try:
        with note.open("rb") as file:
            path = Path(json.loads(file.read(_MAX_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
    is_one = path.is_absolute() and len(path.parts) > 2 and path.parents[1].name == _PLACE
    return path if is_one else None


def sources_of_note(note: Note) -> Iterator[tuple[Format, Source]]:
    """Yield the transcript of a note, and those of its subagents."""
    if note.transcript is None:
        return
    form = cast(LineFormat, all_formats()[FORMAT])
    root = note.transcript.parents[1]
    try:
        if main := form.source_at(note.transcript, root):
            yield form, main
        yield from (
            (form, each) for each in sources_below(form, root, note.transcript.with_suffix(""))
        )
    except (OSError, ValueError):  # a path that no file can have
        return
