"""The place of a source in the manager, if its session is there already under another source.

- A conversation that began in a recorded session (`/clear` in Claude Code) has a file of its own,
  but belongs to that session. So its events and its transcript are not there twice. The record
  knows of it once the supervisor has sent the first line of it; until then, its source waits.
- An earlier system kept copies of the sessions of Claude Code. The files of Claude Code have more,
  so a copy only gives its name to the session. If the copy was imported first, it makes way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ...client.errors import TRANSCRIPTS_OFF
from ...client.manager import ManagerClient
from ...session_client import SessionClientError, SessionNotFoundError
from ...transcripts.names import CONVERSATIONS, PROJECT_KEY, conversation_subpath
from ..format import Format, TranscriptPart
from .state import State
from .table import all_formats


class Place(NamedTuple):
    """The session and the transcript to which a source belongs."""

    session_id: str
    transcript: TranscriptPart
    is_continuation: bool
    """True if the session is a recorded one that the conversation of the source continues."""


class Begin(NamedTuple):
    """The beginning of a session in a source."""

    session_id: str
    project_dir: str | None
    lines: Sequence[bytes]


class Placement:
    """Finds the places of sources. It asks the manager only about sources with something new.

    The recorded conversations are listed at most once in each import, if a conversation is new.
    """

    def __init__(self, manager: ManagerClient, state: State) -> None:
        self._manager = manager
        self._state = state
        self._sessions: dict[str, str] = {}
        self._is_listed = False
        self._placed: set[str] = set()
        copying = {name: form for name, form in all_formats().items() if copies(form)}
        self._copies = {
            progress.session_id: (copies(copying[progress.format]), progress)
            for progress in state.known.values()
            if progress.format in copying and progress.session_id
        }

    def begin(self) -> None:
        """Begin an import: conversations that are new to it may have been recorded before it."""
        self._is_listed = False

    def place_of(self, transcript: TranscriptPart) -> Place:
        """Return the place of the source of a transcript."""
        conversation_id = transcript.session_id
        if conversation_id not in self._placed:
            self._list_recorded()
            self._placed.add(conversation_id)
        session_id = self._sessions.get(conversation_id)
        if session_id is None or self._executor(conversation_id) is not None:
            return Place(conversation_id, transcript, False)
        subpath = conversation_subpath(conversation_id, transcript.subpath)
        return Place(session_id, transcript._replace(session_id=session_id, subpath=subpath), True)

    def is_awaited(self, form: Format, begin: Begin) -> bool:
        """Return whether a new session may be a conversation of an open run that is not yet sent.

        It is if a program drives it in the project of such a run.
        """
        is_driven = getattr(form, "is_driven", None)
        if is_driven is None or begin.project_dir is None or not is_driven(begin.lines):
            return False
        where = {"status": "running", "executor": form.name, "project_dir": begin.project_dir}
        found = any(
            each["session_id"] != begin.session_id
            for each in self._manager.find_sessions(limit=2, **where)
        )
        if found:
            self._placed.discard(begin.session_id)
        return found

    def make_way(self, form: Format, session_id: str) -> None:
        """Delete a session that was imported from a copy, before its own file is read.

        The copy is read again later, for its name. A session with a later run remains.
        """
        original, progress = self._copies.pop(session_id, (None, None))
        if progress is None or original != form.name:
            return
        try:
            session = self._manager.get_session(session_id)
        except SessionNotFoundError:
            return
        if session["executor"] == progress.format and session["run"] == 1:
            self._state.write(replace(progress, stamp="", session_id="", status="begun"))
            self._manager.delete_session(session_id)

    def has_original(self, form: Format, session_id: str) -> bool:
        """Return whether a session of a copying format is in the manager from another source."""
        return copies(form) is not None and self._executor(session_id) not in (None, form.name)

    def _executor(self, session_id: str) -> str | None:
        try:
            found = self._manager.get_session(session_id)
        except SessionNotFoundError:
            return None
        return str(found["executor"])

    def _list_recorded(self) -> None:
        """Note the session of each conversation that a supervisor has recorded in a session."""
        if self._is_listed:
            return
        self._is_listed = True
        try:
            where = {"project_key": PROJECT_KEY, "main": "false"}
            listed = self._manager.list_transcripts(where)
        except SessionClientError as exc:
            if exc.code != TRANSCRIPTS_OFF:
                raise
            return
        for transcript in listed:
            parent, _, rest = transcript["subpath"].partition("/")
            if parent == CONVERSATIONS:
                self._sessions[rest.partition("/")[0]] = transcript["session_id"]


def copies(form: Format) -> str | None:
    """Return the format whose sessions a format has copies of, if it has."""
    named: str | None = getattr(form, "copies", None)
    return named
