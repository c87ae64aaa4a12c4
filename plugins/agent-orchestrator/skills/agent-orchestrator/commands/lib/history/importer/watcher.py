"""Imports changes at the places of agents, as soon as they are reported.

A change costs only the files that it names. Formats whose files are read as a whole are searched
again after a change, for a small share of the time. A rare search of everything finds changes that
the operating system did not report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from ...client.manager import ManagerClient
from ...machine.clock import SYSTEM, Time
from ...machine.environment import home, variables
from ..format import Format, LineFormat, Source
from .changes import NOTHING, Changes, look_at_directory
from .delivery.open_turns import OpenTurns
from .delivery.pace import Pace
from .importer import Importer, Told
from .notes import Notes
from .sources.find import Found, find_sources, sources_below, sources_of
from .sources.report import Report
from .sources.state import Key, State

FIRST_WAIT_SECONDS = 2.0
MAX_WAIT_SECONDS = 300.0
MAX_HELD_SECONDS = 30.0
"""Longest pause between two attempts for a session while a run of it is open."""


Signature = tuple[str | None, int, int]


class Shown(Protocol):
    """Shows the work of a watcher to a person or a program."""

    report: Report
    """Counts everything, also if an interrupt ends the work at any moment."""

    def progress(self, sources: Found) -> AbstractContextManager[Told]: ...


@dataclass(frozen=True)
class Scope:
    """Limits of an import: formats, and the files that changed since a time."""

    formats: Sequence[Format]
    since: str | None = None


SWEEP = (60.0, 100.0)
POLL = (2.0, 10.0)
LOOK = (1.0, 20.0)
"""Least seconds and factor of searching everything, of that without reports, and of one place."""


@dataclass
class _Wait:
    """A source that failed, and when it is tried again."""

    form: Format
    source: Source
    seconds: float
    due: float
    seen: Signature | None
    """Signature of the source, if only a change of it can help."""


@dataclass
class _Look:
    """A place whose sources are found only together."""

    form: Format
    root: Path
    pace: Pace
    is_wanted: bool = False


class Watcher:
    """Imports the sources of formats from their places, with one connection to the manager."""

    def __init__(
        self,
        manager: ManagerClient,
        state: State,
        scope: Scope,
        shown: Shown,
        *,
        notes: Notes | None = None,
        time: Time = SYSTEM,
    ) -> None:
        self._manager = manager
        self._state = state
        self._scope = scope
        self._shown = shown
        self._notes = notes
        self._time = time
        self._turns = OpenTurns(manager, state, places_of(scope.formats), time=time)
        self._sweeps = {False: Pace(*SWEEP), True: Pace(*POLL)}
        self._waits: dict[Key, _Wait] = {}
        self._directories = NOTHING
        """New directories of the last report. Files that were created in them just before they
        were watched are in no report."""
        places = places_of(scope.formats)
        self._lines = [(cast(LineFormat, f), r) for f, r in places if hasattr(f, "source_at")]
        self._looks = [_Look(f, r, Pace(*LOOK)) for f, r in places if not hasattr(f, "source_at")]

    def run(self, changes: Iterable[Changes]) -> Iterator[None]:
        """Import everything, and then each change; yield after each.

        Raises:
            SessionClientError: the manager cannot be reached, or no longer knows our token.
            OSError: a file in the state directory cannot be used.
        """
        for found in changes:
            self._take(found)
            yield

    def _take(self, found: Changes) -> None:
        now = self._time.monotonic()
        pace = self._sweeps[found.is_blind]
        if found.is_beginning or pace.is_due(now):
            self._sweep()
            pace.note(now, self._time.monotonic())
        else:
            self._follow(found)
        if self._notes is not None:
            self._notes.deliver(self._importer(), self._state, self._turns)
        self._turns.keep()

    def _sweep(self) -> None:
        """Import everything, and mark the sessions of files that are gone."""
        for form in self._scope.formats:
            sources, failed = find_sources((), [form.name], self._scope.since)
            for problem in failed.values():
                self._shown.report.add_failure(problem)
            self._run(sources)
            if self._scope.since is None and not failed:
                self._importer().mark_gone(sources, [form.name])

    def _follow(self, found: Changes) -> None:
        sources = {key_of(source): (form, source) for form, source in self._changed(found)}
        for key in sources.keys() & self._waits.keys():
            self._waits[key].seen = None
        for key, wait in self._waits.items():
            if wait.seen is None:
                sources.setdefault(key, (wait.form, wait.source))
        self._run(sorted(sources.values(), key=_main_first))
        if found.deleted:
            self._importer().mark_deleted(found.deleted)

    def _changed(self, found: Changes) -> Iterator[tuple[Format, Source]]:
        directories = frozenset(path for path in found.added if look_at_directory(path))
        for form, root in self._lines:
            for path in (found.added | found.modified) - directories:
                if path.is_relative_to(root) and (source := form.source_at(path, root)):
                    yield form, source
            for directory in directories | self._directories:
                if directory.is_relative_to(root):
                    yield from ((form, each) for each in sources_below(form, root, directory))
        self._directories = directories
        changed = found.added | found.modified | found.deleted
        for look in self._looks:
            look.is_wanted |= any(path.is_relative_to(look.root) for path in changed)
            began = self._time.monotonic()
            if look.is_wanted and look.pace.is_due(began):
                look.is_wanted = False
                yield from self._looked(look)
                look.pace.note(began, self._time.monotonic())

    def _looked(self, look: _Look) -> Iterator[tuple[Format, Source]]:
        try:
            for source in sources_of(look.form, [look.root]):
                known = self._state.of(source.path, source.key)
                if known is None or known.stamp != source.stamp or known.status != "done":
                    yield look.form, source
        except Exception:  # perhaps locked for a moment; the next search reports it if it remains
            look.is_wanted = True

    def _run(self, sources: Found) -> None:
        """Import sources, except those that wait."""
        due = [(form, source) for form, source in sources if self._is_due(source)]
        if not due:
            return
        with self._shown.progress(due) as told:
            self._importer(told).run(due)
        for form, source in due:
            self._note_outcome(form, source)

    def _is_due(self, source: Source) -> bool:
        wait = self._waits.get(key_of(source))
        if wait is None:
            return True
        is_same = wait.seen is not None and wait.seen == _signature(source)
        return wait.due <= self._time.monotonic() and not is_same

    def _note_outcome(self, form: Format, source: Source) -> None:
        key = key_of(source)
        progress = self._state.of(source.path, source.key)
        status = progress.status if progress is not None else "done"
        earlier = self._waits.pop(key, None)
        if status not in ("failed", "not_understood", "held"):
            return
        most = MAX_HELD_SECONDS if status == "held" else MAX_WAIT_SECONDS
        seconds = min(most, 2 * earlier.seconds if earlier else FIRST_WAIT_SECONDS)
        due = self._time.monotonic() + seconds
        seen = _signature(source) if status == "not_understood" else None
        self._waits[key] = _Wait(form, source, seconds, due, seen)

    def _importer(self, told: Told = lambda _read: None) -> Importer:
        return Importer(self._manager, self._state, self._shown.report, told, self._turns)


def key_of(source: Source) -> Key:
    return str(source.path), source.key


def _signature(source: Source) -> Signature:
    try:
        status = source.path.stat()
    except OSError:
        return None, 0, 0
    return source.stamp, status.st_size, status.st_mtime_ns


def _main_first(each: tuple[Format, Source]) -> tuple[int, str]:
    """Order sources so that a session comes before its subagents, which are in deeper files."""
    return len(each[1].path.parts), str(each[1].path)


def places_of(
    formats: Iterable[Format], environ: Callable[[], Mapping[str, str]] = variables
) -> list[tuple[Format, Path]]:
    """Return the places of formats, whether they exist or not."""
    return [(form, root) for form in formats for root in form.roots(home(), environ())]
