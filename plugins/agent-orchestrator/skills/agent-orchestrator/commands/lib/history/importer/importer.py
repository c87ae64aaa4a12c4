"""Imports sources: reads the new records of each, sends them in parts, and stores the place.

The place is stored after the manager has confirmed a part. So a kill at any moment costs at most
the part that was under way. It is sent again, and nothing is stored twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
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
from ..items import BrokenRecordError
from .distinct import Distinct, distinct
from .one_source import MAX_LINES_BYTES, Batch, NotUnderstoodError, OneSource, joined
from .outlet import Outlet
from .parts import Part
from .placement import KeptCopyError, Place, Placement, begin_of, copies
from .report import Problem, Report
from .sender import Sender
from .state import Progress, State

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

    @property
    def waiting_bytes(self) -> int:
        return sum(each.size for each in self.waiting)


MAX_WAITING = 4 * MAX_LINES_BYTES


class Importer:
    """Reads sources in their order, and sends the parts of each session in the order of reading."""

    def __init__(
        self,
        manager: ManagerClient,
        state: State,
        report: Report,
        told: Told,
    ) -> None:
        self._sender = Sender(manager, host=host())
        self._placement = Placement(manager, state)
        self._state = state
        self._report = report
        self._told = told

    def run(self, sources: Iterable[tuple[Format, Source]]) -> None:
        """Import sources. The problems of one source are reported, and end no other source.

        Raises:
            SessionClientError: the manager cannot be reached, or no longer knows our token.
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
            and (each.path in searched or not Path(each.path).exists())
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
            if not paths.isdisjoint((path := Path(each.path), *path.parents)) and not path.exists()
        ]
        ids = {each.session_id for each in lost}
        present = {
            each.session_id
            for each in self._state.known.values()
            if each.session_id in ids and Path(each.path).exists()
        }
        self._mark_gone(lost, present)

    def _mark_gone(self, lost: list[Progress], present: Collection[str]) -> None:
        for progress in lost:
            if progress.status != "done" or not progress.session_id:
                continue
            if progress.session_id not in present:
                self._report.add(gone=self._tell_gone(progress))
            self._state.mark(progress, "gone")

    def _tell_gone(self, progress: Progress) -> bool:
        source = {"format": progress.format, "path": printable(progress.path), "gone": True}
        try:
            self._sender.send(
                Part(progress.session_id),
                executor=progress.format,
                begins=False,
                source=source,
                reason=None,
            )
        except SessionNotFoundError:
            return False
        except SessionClientError as exc:
            if exc.code != SESSION_RUNNING:
                raise
            return False
        return True

    def _run_one(self, form: Format, source: Source, outlet: Outlet) -> None:
        self._report.add(sources=1)
        known = self._state.of(source.path, source.key)
        if known is not None and known.format != form.name:
            known = None
        begin = _begin(form, source)
        try:
            progress = place_of(form, source, known)
            if progress is None:
                self._report.add(unchanged=1)
                self._told(source.path.stat().st_size)
                return
            one = OneSource(form, source, progress)
            fate = _Fate(is_first=not progress.offset)
            for batch, read in one.read():
                self._told(read)
                self._report.add(bytes=read)
                fate.key = fate.key or _key(one, batch)
                send = partial(self._send, one, batch, fate)
                outlet.put(send, key=fate.key, size=batch.size)
                if fate.is_over:
                    return
            _report_seen(one, self._report)
        except NotUnderstoodError as exc:
            self._fail("not_understood", known or begin, form.version, str(exc))
        except (BrokenRecordError, OSError) as exc:
            self._fail("failed", known or begin, form.version, _sentence(exc))

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
        except KeptCopyError as exc:
            fate.is_over = True
            self._fail("failed", _begin(one.form, one.source), one.form.version, str(exc))
        except SessionClientError as exc:
            if exc.status_code is None or exc.code is None or exc.status_code in (401, 403):
                raise
            if exc.code == SESSION_RUNNING:
                self._settle(batch.progress, fate, "held")
            else:
                fate.is_over = True
                begin = _begin(one.form, one.source)
                self._fail("failed", begin, one.form.version, str(exc))
        else:
            if done is not None:
                self._state.write(done)

    def _send_batch(self, one: OneSource, batch: Batch, fate: _Fate) -> Progress | None:
        """Send a batch; return the place to store, or None if the place of before remains."""
        if one.transcript is not None and fate.place is None:
            if fate.is_first and not batch.parts and batch.size + fate.waiting_bytes < MAX_WAITING:
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
        return batch.progress if is_own else replace(batch.progress, session_id="")

    def _send_parts(self, one: OneSource, batch: Batch, fate: _Fate) -> None:
        path = printable(str(one.source.path))
        source: Any = {"format": one.form.name, "path": path}
        formats = {one.form.name, copies(one.form)}
        for part in batch.parts:
            reason, begins = batch.reason_of(part.session_id), part.session_id in batch.begins
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
            sent = self._sender.send(
                part,
                executor=one.form.name,
                begins=begins,
                source=source,
                reason=reason,
            )
            self._report.add(
                sessions=int(sent.is_new),
                events=sent.events,
                requests=sent.requests,
                copied=part.copied,
                refused=len(sent.refused),
            )
            for refused in sent.refused:
                self._report.add_problem(Problem(path, refused.event_id, refused.reason))
        if fate.place is not None and batch.lines:
            self._send_lines(batch, fate.place, path)

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


def count_sources(sources: Iterable[tuple[Format, Source]], report: Report, told: Told) -> None:
    """Read sources as a whole, and count what an import into an empty manager would add."""
    with distinct() as known:
        for form, source in sources:
            report.add(sources=1)
            _count_one(form, source, report, told, known)


def _count_one(form: Format, source: Source, report: Report, told: Told, known: Distinct) -> None:
    one = OneSource(form, source, _begin(form, source))
    is_copying = copies(form) is not None
    try:
        for batch, read in one.read():
            told(read)
            report.add(bytes=read)
            for part in batch.parts:
                session_id = part.session_id
                if is_copying and known.has("original", session_id):
                    continue
                if not is_copying:
                    known.add("original", [session_id])
                event_ids = (each["event_id"] for each in part.events)
                report.add(
                    sessions=known.add("session", [session_id]),
                    events=known.add(f"event of {session_id}", event_ids),
                    requests=known.add("request", (each["key"] for each in part.requests)),
                    copied=part.copied,
                )
    except (NotUnderstoodError, BrokenRecordError, OSError) as exc:
        is_read = isinstance(exc, NotUnderstoodError)
        report.add(**{"not_understood" if is_read else "failed": 1})
        report.add_problem(Problem(str(source.path), source.key, _sentence(exc)))
    else:
        _report_seen(one, report)


def _report_seen(one: OneSource, report: Report) -> None:
    path = str(one.source.path)
    for place, why in (*one.seen.broken, *one.seen.shortened):
        report.add_problem(Problem(path, place, why))
    report.add(broken=one.seen.broken_count, shortened=one.seen.shortened_count)
    report.add_unknown(one.form.name, one.seen.unknown)


def printable(path: str) -> str:
    """Return a path as text; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def place_of(form: Format, source: Source, known: Progress | None) -> Progress | None:
    """Return where to continue a source; None if it has nothing new.

    Raises:
        OSError: the file of the source cannot be looked at.
    """
    found = source.path.stat()
    now: dict[str, Any] = {
        "size": found.st_size,
        "mtime": found.st_mtime_ns,
        "device": found.st_dev,
        "inode": found.st_ino,
        "stamp": source.stamp or "",
    }
    begin = replace(_begin(form, source), **now)
    if known is None or known.version != form.version:
        return begin
    if known.status == "deleted":
        return None
    is_done = known.status in ("done", "gone")
    if source.stamp is not None:
        return None if is_done and known.stamp == source.stamp else begin
    if is_done and all(getattr(known, name) == value for name, value in now.items()):
        return None
    is_same_file = (known.device, known.inode) == (found.st_dev, found.st_ino)
    may_continue = is_same_file and known.offset and (not is_done or bool(known.sample))
    return replace(known, **now) if may_continue else begin


def sources_of(form: Format, roots: Iterable[Path]) -> Iterator[Source]:
    """Yield the sources below the roots that exist, each once."""
    seen: set[tuple[str, str]] = set()
    for root in roots:
        if not root.exists():
            continue
        for source in form.find(root):
            key = (str(source.path), source.key)
            if key not in seen:
                seen.add(key)
                yield source


def _key(one: OneSource, first: Batch) -> str:
    """Return the session of a source, so that a subagent's parts follow those of the session."""
    own = one.transcript.session_id if one.transcript is not None else first.session_id
    return own or str(one.source.path)


def _begin(form: Format, source: Source) -> Progress:
    return Progress(path=str(source.path), key=source.key, format=form.name, version=form.version)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
