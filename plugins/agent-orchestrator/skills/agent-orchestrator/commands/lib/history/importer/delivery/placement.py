"""The place of a source with a transcript: the session in the manager that it belongs to.

It is decided when the first part of the source is sent, from what the manager has at that moment.

- A conversation that began in a recorded session (`/clear` in Claude Code, each thread of Codex)
  has a file of its own, but belongs to that session. The manager knows of it once the supervisor
  has sent its first line; until then, its source waits.
- A conversation of an agent of the Agent Client Protocol belongs to the session whose supervisor
  has named it. Its events have other ids in the agent's files: `recorded` fits them.
- An earlier system kept copies of the sessions of Claude Code. The files of Claude Code have more,
  so a copy only gives its name to the session. If the copy was imported first, it makes way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from ....acp.presets.table import PRESETS
from ....client.errors import TRANSCRIPTS_OFF
from ....client.manager import ManagerClient
from ....machine.environment import host
from ....session_client import SessionClientError, SessionNotFoundError
from ....transcripts.names import PROJECT_KEY, conversation_subpath
from ...format import Format, TranscriptPart
from ..sources.format_table import all_formats, copies
from ..sources.one_source import Batch
from ..sources.parts import Part
from ..sources.state import State
from .recorded import Recorded, RecordedRun, recorded_runs

Json = dict[str, Any]


_OF_ONE_AGENT = frozenset({"claude", "codex", "command", *PRESETS})
"""The executors that cannot run an agent that another one of them runs."""


class Place(NamedTuple):
    """The session and the transcript to which a source belongs."""

    session_id: str
    transcript: TranscriptPart
    is_recorded: bool = False
    """True if a supervisor has recorded a run of the session, and sent the lines of that run."""
    is_continuation: bool = False
    """True if the session is a recorded one that the conversation of the source continues."""


@dataclass(frozen=True, kw_only=True)
class Begin:
    """The first records of a source in an import."""

    transcript: TranscriptPart
    project_dir: str | None
    moment: str | None
    """The time of its first event."""
    lines: Sequence[bytes]
    is_first: bool
    """True if the source is read from its beginning."""


def begin_of(transcript: TranscriptPart, batch: Batch, *, is_first: bool) -> Begin:
    own = next((each for each in batch.parts if each.session_id == transcript.session_id), None)
    moments = (event.get("timestamp") for event in own.events) if own is not None else ()
    return Begin(
        transcript=transcript,
        project_dir=None if own is None else own.facts.get("project_dir"),
        moment=next(filter(None, moments), None),
        lines=batch.lines,
        is_first=is_first,
    )


class AwaitedError(Exception):
    """A run is open that works on the conversation, or perhaps will name it."""


class KeptCopyError(Exception):
    """A session was imported from a copy, and a person has changed it since."""


class Placement:
    """Finds the places of sources. Several threads may use it."""

    def __init__(self, manager: ManagerClient, state: State) -> None:
        self._manager = manager
        self._state = state
        self._sessions: dict[str, str] = {}
        """The recorded session of each conversation that has one."""
        self._runs: dict[str, tuple[object, list[RecordedRun]]] = {}
        """The recorded runs of a session, with its newest run and the end of that."""

    def place_of(self, form: Format, begin: Begin) -> Place | None:
        """Return the place of a source; None if it has to wait for the end of a run.

        Raises:
            KeptCopyError: the session cannot make way.
        """
        transcript = begin.transcript
        own = transcript.session_id
        session = self._find(own)
        if session is not None:
            if _copied_format(session["executor"]) != form.name:
                return Place(own, transcript, is_recorded=self._is_recorded(session))
            self._make_way(session)
        elif not begin.is_first or _is_driven(form, begin):
            # Runs first: a run that has ended has sent all its conversations.
            is_awaited = self._is_awaited(form, begin)
            recorded = self._session_with(own)
            if recorded is not None:
                subpath = conversation_subpath(own, transcript.subpath)
                moved = transcript._replace(session_id=recorded, subpath=subpath)
                return Place(recorded, moved, is_recorded=True, is_continuation=True)
            if is_awaited:
                return None
        self._read_copies_again(form, own)
        return Place(own, transcript)

    def recorded(self, form: Format, part: Part) -> Recorded | None:
        """Return the recorded session that has the conversation of a part without a transcript.

        Raises:
            AwaitedError: the source has to wait.
        """
        own = part.session_id
        if copies(form) is not None or self._state.of_session(own):
            return None  # it was imported as a session of its own
        moment = next(filter(None, (event.get("timestamp") for event in part.events)), None)
        is_awaited = self._is_naming(form, part.facts.get("project_dir"), moment)
        session_id = self.session_of(own)
        if session_id != own:
            return Recorded(session_id, self._runs_of(session_id))
        if is_awaited:
            raise AwaitedError
        return None

    def session_of(self, conversation_id: str) -> str:
        """Return the recorded session that has a conversation, or else the conversation itself."""
        if conversation_id not in self._sessions:
            found = self._session_with(conversation_id)
            if found is None:
                return conversation_id
            self._sessions[conversation_id] = found
        return self._sessions[conversation_id]

    def _runs_of(self, session_id: str) -> list[RecordedRun]:
        session = self._manager.get_session(session_id)
        if session["status"] == "running":
            raise AwaitedError
        newest = session["run"], session["reason"]
        known = self._runs.get(session_id)
        if known is None or known[0] != newest:
            known = self._runs[session_id] = newest, recorded_runs(self._manager, session_id)
        return known[1]

    def _is_naming(self, form: Format, project: str | None, moment: str | None) -> bool:
        """Return whether an open run in a project has not named its conversation yet."""
        if project is None:
            return False
        return any(
            (run["executor"] == form.name or run["executor"] not in _OF_ONE_AGENT)
            and self._transcripts(session_id=run["session_id"], main="false") == []
            for run in self._manager.find_sessions(status="running", project_dir=project)
            if _began_here(run, moment)
        )

    def has_original(self, form: Format, session_id: str) -> bool:
        """Return whether a session of a copying format is in the manager from another source."""
        if copies(form) is None:
            return False
        session = self._find(session_id)
        return session is not None and session["executor"] != form.name

    def _find(self, session_id: str) -> Json | None:
        try:
            return self._manager.get_session(session_id)
        except SessionNotFoundError:
            return None

    def _is_recorded(self, session: Json) -> bool:
        if session["run"] == 1 or not session["imported"]:
            return not session["imported"]
        runs = self._manager.list_runs(session["session_id"])
        return not all(run["imported"] for run in runs)

    def _is_awaited(self, form: Format, begin: Begin) -> bool:
        """Return whether a run is open that perhaps has the conversation, and has not sent it yet.

        Such a run executes on this machine in the same project, and began before the conversation.
        """
        if not begin.is_first or begin.project_dir is None:
            return False
        found = self._manager.find_sessions(
            status="running", executor=form.name, project_dir=begin.project_dir
        )
        return any(_began_here(run, begin.moment) for run in found)

    def _session_with(self, conversation_id: str) -> str | None:
        """Return the recorded session that has a conversation."""
        found = self._transcripts(subpath=conversation_subpath(conversation_id))
        return str(found[0]["session_id"]) if found else None

    def _transcripts(self, **where: str) -> list[Json] | None:
        """List transcripts; None if the manager keeps none."""
        try:
            return self._manager.list_transcripts({"project_key": PROJECT_KEY, **where})
        except SessionClientError as exc:
            if exc.code != TRANSCRIPTS_OFF:
                raise
            return None

    def _make_way(self, session: Json) -> None:
        """Delete a session that was imported from a copy, since its own source is imported now."""
        session_id = session["session_id"]
        is_named = session["session_name"] not in (session["title"], session_id)
        if session["run"] != 1 or session["archived_at"] is not None or is_named:
            raise KeptCopyError(
                f"the session was imported from the files of {session['executor']}, and has been "
                "resumed, renamed or archived since: delete it to import this file"
            )
        self._manager.delete_session(session_id)

    def _read_copies_again(self, form: Format, session_id: str) -> None:
        """Let the next import read the copies of a session again, for its name."""
        for progress in self._state.of_session(session_id):
            if _copied_format(progress.format) == form.name:
                again = replace(progress, stamp="", size=-1, session_id="", status="begun")
                self._state.write(again)


def _copied_format(executor: str | None) -> str | None:
    form = all_formats().get(executor or "")
    return None if form is None else copies(form)


def _is_driven(form: Format, begin: Begin) -> bool:
    is_driven = getattr(form, "is_driven", None)
    return is_driven is not None and bool(is_driven(begin.lines))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _began_here(run: Json, moment: str | None) -> bool:
    """Return whether a supervisor began an open run on this machine before a moment."""
    return (
        not run["imported"]
        and run["host"] == host()
        and (moment is None or _moment(run["started_at"]) <= _moment(moment))
    )
