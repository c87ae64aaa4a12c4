"""Imports sources: reads the new records of each, sends them in parts, and stores the place.

The place is stored after the manager has confirmed a part. So a kill at any moment costs at most
the part that was under way. It is sent again, and nothing is stored twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from ...client.errors import SESSION_RUNNING
from ...client.manager import ManagerClient
from ...machine.environment import host
from ...session_client import SessionClientError, SessionNotFoundError
from ..format import Format, Source
from ..formats.files import is_gone
from .delivery.open_turns import OpenTurns
from .delivery.outlet import Outlet
from .delivery.placement import AwaitedError, KeptCopyError, Place, Placement, begin_of
from .delivery.recorded import Recorded
from .delivery.sender import Sender
from .sources.format_table import copies
from .sources.one_source import (
    MAX_LINES_BYTES,
    Batch,
    NotUnderstoodError,
    OneSource,
    has_open_turn,
    joined,
)
from .sources.parts import Part
from .sources.report import Problem, Report, sentence_of
from .sources.state import MemoryFailedError, Progress, State, beginning, continuation

Told = Callable[[int], None]
"""Called with a number of bytes that were read."""


@dataclass
class _Fate:
    """The state of sending one source. After a problem with its session, the rest is not sent."""

    is_first: bool
    """True if the source is read from its beginning."""
    key: str = ""
    """Sources of the same session have the same key."""
    place: Place | None = None
    """None: the parts name their sessions and there is no transcript, or nothing was sent yet."""
    waiting: list[Batch] = field(default_factory=list)
    """Batches without a part: their lines are sent with the first part."""
    is_copy: bool = False
    """True if the session has another source, and this source gives only the name."""
    is_over: bool = False
    recorded: dict[str, Recorded | None] = field(default_factory=dict)
    """The recorded session of each conversation, if it has one."""

    @property
    def waiting_bytes(self) -> int:
        return sum(each.size for each in self.waiting)


MAX_UNPLACED_BYTES = 4 * MAX_LINES_BYTES
"""Size of batches without a part after which a source gets its place all the same."""


class Importer:
    """Reads sources in their order, and sends the parts of each session in the order of reading."""

    def __init__(
        self,
        manager: ManagerClient,
        state: State,
        report: Report,
        told: Told,
        turns: OpenTurns | None = None,
    ) -> None:
        """Import with `turns` to keep the runs open on which agents work."""
        self._sender = Sender(manager, host=host())
        self._placement = Placement(manager, state)
        self._state = state
        self._report = report
        self._told = told
        self._turns = turns

    def run(self, sources: Iterable[tuple[Format, Source]]) -> None:
        """Import sources. The problems of one source are reported, and end no other source.

        Raises:
            SessionClientError: the manager cannot be reached, or no longer knows our token.
            MemoryFailedError: the place in a source cannot be stored.
        """
        for _, group in groupby(sources, key=lambda each: copies(each[0])):
            # A copy is looked at when everything before it was sent.
            with Outlet() as outlet:
                for form, source in group:
                    self._run_one(form, source, outlet)

    def mark_gone(self, sources: Iterable[tuple[Format, Source]], agents: Iterable[str]) -> None:
        """Mark the sessions of these agents whose sources are not among all that exist now.

        A session remains as it is. If another source has it, it is not gone.

        Raises:
            SessionClientError: the manager cannot be reached.
        """
        there = {(str(source.path), source.key) for _, source in sources}
        searched = {path for path, _ in there}
        names = set(agents)
        known = [each for each in self._state.known.values() if each.format in names]
        present = {each.session_id for each in known if (each.path, each.key) in there}
        lost = [
            each
            for each in known
            if (each.path, each.key) not in there
            # A file in another place was perhaps imported by its path.
            and (each.path in searched or is_gone(Path(each.path)))
        ]
        self._mark_gone(lost, present)

    def mark_deleted(self, paths: frozenset[Path]) -> None:
        """Mark the sessions of files that were deleted, or that were in deleted directories.

        Raises:
            SessionClientError: the manager cannot be reached.
        """
        lost = [
            each
            for each in self._state.known.values()
            if not paths.isdisjoint((path := Path(each.path), *path.parents)) and is_gone(path)
        ]
        present = {
            each.session_id
            for each in lost
            if not all(is_gone(Path(o.path)) for o in self._state.of_session(each.session_id))
        }
        self._mark_gone(lost, present)

    def _mark_gone(self, lost: list[Progress], present: Collection[str]) -> None:
        for progress in lost:
            if progress.status != "done" or not progress.session_id:
                continue
            status: str | None = "gone"
            if progress.session_id not in present:
                status = self._tell(progress, is_gone=True)
                self._report.add(gone=status == "gone")
            self._state.mark(progress, status or "gone")

    def _tell(self, progress: Progress, *, is_gone: bool) -> str | None:
        """Tell the manager whether a source is gone; return the new status of the source.

        None: a run of the session is open, and the manager has not stored it.
        """
        source = {"format": progress.format, "path": printable(progress.path), "gone": is_gone}
        try:
            self._sender.send(
                Part(progress.session_id),
                executor=progress.format,
                begins=False,
                source=source,
                reason=None,
            )
        except SessionNotFoundError:
            return "deleted"
        except SessionClientError as exc:
            if exc.code != SESSION_RUNNING:
                raise
            return None
        return "gone" if is_gone else "done"

    def _run_one(self, form: Format, source: Source, outlet: Outlet) -> None:
        self._report.add(sources=1)
        self._keep()
        known = self._state.of(source.path, source.key)
        if known is not None and known.format != form.name:
            known = None
        begin = beginning(form, source)
        try:
            known = self._marked_back(known)
            progress = continuation(form, source, known)
            if progress is None:
                self._report.add(unchanged=1)
                self._told(source.path.stat().st_size)
                return
            one = OneSource(form, source, progress)
            fate = _Fate(is_first=not progress.offset)
            for batch, read in one.read():
                self._told(read)
                self._report.add(bytes=read)
                self._keep()
                fate.key = fate.key or _key(one, batch)
                send = partial(self._send, one, batch, fate)
                outlet.put(send, key=fate.key, size=batch.size)
                if fate.is_over:
                    return
            report_seen(one, self._report)
        except NotUnderstoodError as exc:
            self._fail("not_understood", known or begin, form.version, str(exc))
        except Exception as exc:  # whatever it is, the other sources are read
            if _ends_import(exc):
                raise
            self._fail("failed", known or begin, form.version, sentence_of(exc))

    def _keep(self) -> None:
        if self._turns is not None:
            self._turns.keep()

    def _marked_back(self, known: Progress | None) -> Progress | None:
        """If a source was gone and is there again, mark its session; return its progress."""
        if known is None or known.status != "gone":
            return known
        status = self._tell(known, is_gone=False) if known.session_id else "done"
        known = replace(known, status=status or "gone")
        self._state.write(known)
        return known

    def _fail(self, count: str, progress: Progress, version: int, why: str) -> None:
        self._report.add(**{count: 1})
        self._report.add_problem(Problem(progress.path, progress.key, why))
        # Without a size it is read again next time; a message of today is shown again then.
        failed = replace(progress, version=version, size=-1, status=count, problem=why)
        self._state.write(failed)

    def _send(self, one: OneSource, batch: Batch, fate: _Fate) -> None:
        """Send a batch, and store the place after it. This runs in a thread of the outlet."""
        if fate.is_over:
            return
        try:
            done = self._send_batch(one, batch, fate)
        except SessionNotFoundError:
            self._settle(batch.progress, fate, "deleted")
        except AwaitedError:
            self._settle(batch.progress, fate, "held")
        except Exception as exc:
            if _ends_import(exc):
                raise
            if isinstance(exc, SessionClientError) and exc.code == SESSION_RUNNING:
                self._settle(batch.progress, fate, "held")
            else:
                fate.is_over = True
                begin = beginning(one.form, one.source)
                why = str(exc) if isinstance(exc, KeptCopyError) else sentence_of(exc)
                self._fail("failed", begin, one.form.version, why)
        else:
            if done is not None:
                self._state.write(done)

    def _send_batch(self, one: OneSource, batch: Batch, fate: _Fate) -> Progress | None:
        """Send a batch; return the place to store, or None if the place of before remains."""
        if one.transcript is not None and fate.place is None:
            if (
                fate.is_first
                and not batch.parts
                and batch.size + fate.waiting_bytes < MAX_UNPLACED_BYTES
            ):
                fate.waiting.append(batch)
                return batch.progress.unread() if batch.progress.status == "done" else None
            batch = joined([*fate.waiting, batch])
            fate.place = self._placement.place_of(
                one.form, begin_of(one.transcript, batch, is_first=fate.is_first)
            )
            if fate.place is None:
                self._settle(batch.progress, fate, "held")
                return None
        self._send_parts(one, batch, fate)
        # The session of another source remains when this source is gone.
        is_own = not (fate.is_copy or (fate.place and fate.place.is_continuation))
        is_own = is_own and fate.recorded.get(batch.progress.session_id) is None
        return batch.progress if is_own else replace(batch.progress, session_id="")

    def _send_parts(self, one: OneSource, batch: Batch, fate: _Fate) -> None:
        path = printable(str(one.source.path))
        source: Any = {"format": one.form.name, "path": path}
        formats = {one.form.name, copies(one.form)}
        for part in batch.parts:
            reason, begins = batch.reason_of(part.session_id), part.session_id in batch.begins
            own_id = part.session_id
            if one.transcript is None and (found := self._recorded(one.form, part, fate)):
                self._send_recorded(one.form, part, found, reason)
                continue
            if begins:
                fate.is_copy = self._placement.has_original(one.form, part.session_id)
            if fate.is_copy:
                self._send_name(one.form, part)
                continue
            if fate.place is not None and fate.place.is_continuation:
                part.session_id, part.facts, begins, source = fate.place.session_id, {}, False, None
            # A session that was imported before, and is no longer there, was deleted.
            known = self._state.of_session(part.session_id)
            begins = begins and not any(each.format in formats for each in known)
            if self._turns is not None and has_open_turn(batch.reasons, own_id):
                part.holder = self._turns.holder_of(one.source.root, own_id)
            sent = self._sender.send(
                part,
                executor=one.form.name,
                begins=begins,
                source=source,
                reason=reason,
            )
            if self._turns is not None and reason is not None:
                self._turns.note(own_id, part.session_id, sent.lease_seconds)
            self._report.add(
                sessions=int(sent.is_new),
                events=sent.events,
                requests=sent.requests,
                copied=part.copied,
                refused=len(sent.refused),
            )
            for refused in sent.refused:
                self._report.add_problem(Problem(path, refused.event_id, refused.reason))
        if fate.place is not None and batch.lines and fate.place.transcript.is_kept:
            self._send_lines(batch, fate.place, path)

    def _recorded(self, form: Format, part: Part, fate: _Fate) -> Recorded | None:
        """Return the recorded session of a conversation; name those of its parent and origin."""
        placement = self._placement
        if part.session_id not in fate.recorded:
            fate.recorded[part.session_id] = placement.recorded(form, part)
        if (parent := part.facts.get("parent_session_id")) is not None:
            part.facts["parent_session_id"] = placement.session_of(parent)
        origin = part.facts.get("forked_from")
        if origin and (own := placement.session_of(origin["session_id"])) != origin["session_id"]:
            # Its events have other ids.
            part.facts["forked_from"] = {"session_id": own, "event_id": None}
        return fate.recorded[part.session_id]

    def _send_recorded(
        self, form: Format, part: Part, recorded: Recorded, reason: str | None
    ) -> None:
        """Send what a recorded session does not have yet."""
        fitted = recorded.fit(part)
        if not fitted.has_content:
            return
        end = reason if recorded.is_by_hand else None
        sent = self._sender.send(fitted, executor=form.name, begins=False, source=None, reason=end)
        self._report.add(events=sent.events, requests=sent.requests, refused=len(sent.refused))

    def _send_name(self, form: Format, part: Part) -> None:
        """Send only the facts of a part, to a session that exists."""
        if part.facts:
            named = Part(part.session_id, facts=part.facts)
            self._sender.send(named, executor=form.name, begins=False, source=None, reason=None)

    def _send_lines(self, batch: Batch, place: Place, path: str) -> None:
        lines = batch.lines
        if place.is_recorded:
            lines = [line for line in lines if b'"uuid":' in line]
        offset = batch.first_offset
        for refused in self._sender.send_transcript(place.transcript, lines, offset=offset):
            self._report.add(refused=1)
            self._report.add_problem(Problem(path, refused.event_id, refused.reason))

    def _settle(self, progress: Progress, fate: _Fate, status: str) -> None:
        """Store why a source is not read on: its session was deleted, or a run of it is open."""
        fate.is_over = True
        self._report.add(**{status: 1})
        stored = self._state.of(Path(progress.path), progress.key) or progress.unread()
        size = -1 if status == "held" else progress.size
        self._state.write(replace(stored, status=status, size=size))


def report_seen(one: OneSource, report: Report) -> None:
    path = str(one.source.path)
    for place, why in (*one.seen.broken, *one.seen.shortened):
        report.add_problem(Problem(path, place, why))
    report.add(broken=one.seen.broken_count, shortened=one.seen.shortened_count)
    report.add_unknown(one.form.name, one.seen.unknown)


def printable(path: str) -> str:
    """Return a path as text; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def _key(one: OneSource, first: Batch) -> str:
    """Return the session of a source, so that a subagent's parts follow those of the session."""
    own = one.transcript.session_id if one.transcript is not None else first.session_id
    return own or str(one.source.path)


def _ends_import(error: Exception) -> bool:
    """Return whether an error is not one of a source: of the manager, or of our own memory."""
    if isinstance(error, SessionClientError):
        return error.status_code is None or error.code is None or error.status_code in (401, 403)
    return isinstance(error, MemoryFailedError)
