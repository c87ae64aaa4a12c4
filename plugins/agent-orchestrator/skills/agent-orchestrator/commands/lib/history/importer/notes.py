"""Notes of the hooks of the plugin for Claude Code: which transcripts have grown.

A note is a file with the name of the session, in the state directory. It has the path of the
transcript, as the JSON text that the hook was given. A noted transcript is followed while it grows,
without a notice of the operating system. Its note is removed when it has been at rest for a while.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ...machine.clock import SYSTEM, Time
from ..format import Format, LineFormat, Source
from .delivery.open_turns import OpenTurns
from .importer import Importer
from .sources.find import sources_below
from .sources.format_table import all_formats
from .sources.state import State

DIRECTORY = "notes"
FORMAT = "claude"
_PLACE = "projects"
_TAKEN = ".taken"
_MAX_BYTES = 64 * 1024
_UNSETTLED = ("failed", "held")
QUIET_SECONDS = 120.0
"""Time without growth after which a transcript is at rest."""


@dataclass
class _Followed:
    """A transcript with its subagents, as long as it grows."""

    transcript: Path | None
    """None: the note is not readable as one."""
    quiet_since: float
    seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """Size and time of each file at its last import."""


class Notes:
    """The notes in a state directory. Only one process should take them at a time."""

    def __init__(self, state_dir: Path, *, time: Time = SYSTEM) -> None:
        self._directory = state_dir / DIRECTORY
        self._time = time
        self._followed: dict[Path, _Followed] = {}
        self._left: set[Path] = set()
        """Notes whose transcripts could not be imported: left for the next process."""

    @property
    def is_quiet(self) -> bool:
        """True if no transcript is followed."""
        return not self._followed

    @property
    def has_new(self) -> bool:
        """True if a hook has written a note that no process has taken yet."""
        return any(each.suffix != _TAKEN for each in self._files())

    def deliver(self, importer: Importer, state: State, turns: OpenTurns) -> None:
        """Import the growth of all noted transcripts, and remove the notes of those at rest.

        Raises:
            SessionClientError: the manager cannot be reached. The notes remain.
        """
        self._take()
        for note, followed in list(self._followed.items()):
            sources = list(_sources_of(followed.transcript))
            for form, source in sources:
                turns.follow(form, source.root)
            grown = [(form, each) for form, each in sources if self._has_grown(followed, each)]
            if grown:
                importer.run(grown)
                followed.quiet_since = self._time.monotonic()
            elif followed.transcript is not None and turns.is_open(followed.transcript.stem):
                followed.quiet_since = self._time.monotonic()  # perhaps a tool that takes long
            elif self._time.monotonic() - followed.quiet_since >= QUIET_SECONDS:
                del self._followed[note]
                known = [state.of(each.path, each.key) for _, each in sources]
                if any(each is not None and each.status in _UNSETTLED for each in known):
                    self._left.add(note)
                else:
                    note.unlink(missing_ok=True)

    def _has_grown(self, followed: _Followed, source: Source) -> bool:
        try:
            status = source.path.stat()
        except OSError:
            return False
        now = (status.st_size, status.st_mtime_ns)
        before = followed.seen.get(source.path)
        followed.seen[source.path] = now
        return now != before

    def _files(self) -> list[Path]:
        try:
            files = sorted(self._directory.iterdir())
        except OSError:  # no hook has written a note yet
            return []
        return [each for each in files if not each.name.startswith(".")]  # a hook writes these

    def _take(self) -> None:
        for file in self._files():
            taken = file if file.suffix == _TAKEN else file.with_name(file.name + _TAKEN)
            if file == taken and (file in self._followed or file in self._left):
                continue
            with suppress(FileNotFoundError):  # another process has taken it
                file.replace(taken)
                self._left.discard(taken)
                now = self._time.monotonic()
                followed = self._followed.setdefault(taken, _Followed(_transcript(taken), now))
                followed.quiet_since = now


def _transcript(note: Path) -> Path | None:
    """Return the transcript that a note names, if it is at a place of Claude Code."""
    try:
        with note.open("rb") as file:
            path = Path(json.loads(file.read(_MAX_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
    is_one = path.is_absolute() and len(path.parts) > 2 and path.parents[1].name == _PLACE
    return path if is_one else None


def _sources_of(transcript: Path | None) -> Iterator[tuple[Format, Source]]:
    """Yield a transcript, and those of its subagents."""
    if transcript is None:
        return
    form = cast(LineFormat, all_formats()[FORMAT])
    root = transcript.parents[1]
    try:
        if main := form.source_at(transcript, root):
            yield form, main
        for source in sources_below(form, root, transcript.with_suffix("")):
            yield form, source
    except (OSError, ValueError):  # a path that no file can have
        return
