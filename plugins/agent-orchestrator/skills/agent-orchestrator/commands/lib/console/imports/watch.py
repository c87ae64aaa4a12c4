"""`ao-import --watch`: follow the places of agents until the person ends it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from ...client.connection.connect import client_of
from ...client.connection.find_manager import find_manager
from ...config import Config
from ...history.format import Format
from ...history.importer.changes import changes_below
from ...history.importer.importer import Told
from ...history.importer.notes import Notes
from ...history.importer.sources.find import (
    Found,
    NoSuchAgentError,
    TimeError,
    moment_of,
    named_formats,
)
from ...history.importer.sources.report import Problem, Report
from ...history.importer.sources.state import open_state
from ...history.importer.watcher import Scope, Watcher, places_of
from ...machine.clock import SYSTEM, Backoff
from ...machine.environment import is_manager_given, state_dir
from ...machine.time_zone import to_local
from ...session_client import SessionClientError
from ...shared.locks import hold_alone, holder_of, release
from ...shared.plurals import counted
from ...shared.private_files import make_state_directory
from ..command import USAGE, CommandError
from ..connect import open_manager, url_of
from ..terminal.output import note, tell_waiting
from .report import TIMEOUT_SECONDS, note_problem, progress

LOCK = "import.lock"
MAX_PAUSE_SECONDS = 10.0
_MAX_TOLD = 1000


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    since: str | None
    polls: bool
    until_eof: bool
    as_json: bool


def watch_history(config: Config, agents: tuple[str, ...], options: Options) -> None:
    """Import everything, and then each change, until SIGINT, SIGTERM or the end of stdin.

    Raises:
        CommandError: an argument is not valid, no manager can be started, or another process
            follows already.
    """
    try:
        formats = named_formats(agents)
        if options.since is not None:
            moment_of(options.since)
    except (NoSuchAgentError, TimeError) as exc:
        raise CommandError(str(exc), USAGE) from exc
    lock = hold_alone(make_state_directory(state_dir()) / LOCK)
    if lock is None:
        raise CommandError(
            f"another ao-import --watch (process {holder_of(state_dir() / LOCK)}) follows the "
            "agents of this state directory; a plain ao-import works beside it"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.until_eof:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    output = _Output(as_json=options.as_json)
    try:
        open_manager(config, for_people=True).close()
        with closing(_imports(config, output, formats, options)) as imports:
            for _ in imports:
                output.tell()
    except KeyboardInterrupt:
        output.summary()
    finally:
        release(lock)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _imports(
    config: Config, output: _Output, formats: Sequence[Format], options: Options
) -> Generator[None, None, None]:
    """Import with one connection after the other, and yield after each import.

    A new connection begins with a search of everything. An outage of the manager and a problem with
    the state directory end the connection.
    """
    roots = list(dict.fromkeys(root for _, root in places_of(formats)))
    backoff = Backoff(MAX_PAUSE_SECONDS)
    told: set[type[Exception]] = set()
    while True:
        output.begin()
        try:
            url = url_of(None if is_manager_given() else find_manager(), config)
            with (
                client_of(url, timeout_seconds=TIMEOUT_SECONDS) as manager,
                open_state(state_dir(), manager.get_generation()) as state,
            ):
                watcher = Watcher(
                    manager,
                    state,
                    Scope(formats, options.since),
                    output,
                    notes=Notes(state_dir()),
                )
                changes = changes_below(roots, polls=options.polls, on_blind=_tell_blind)
                yield from watcher.run(changes)
        except (SessionClientError, OSError) as exc:
            if output.has_worked:
                backoff.succeed()
                told.clear()
            if type(exc) not in told:
                told.add(type(exc))
                _tell_problem(exc)
        backoff.fail()
        SYSTEM.sleep(backoff.pause_seconds())


def _tell_problem(error: SessionClientError | OSError) -> None:
    if isinstance(error, SessionClientError):
        tell_waiting(error)
    else:
        where = f"{error.filename}: " if error.filename else ""
        note(f"{where}{error.strerror or error}: trying again")


def _tell_blind(why: str) -> None:
    note(
        f"the operating system does not report changes ({why}): looking for them every few "
        "seconds, as with --poll"
    )


class _Output:
    """Shows a line for each import that had news, and the sum at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self.has_worked = False
        """True if an import has succeeded since `begin`."""
        self._as_json = as_json
        self.report = Report()
        self._told: set[Problem] = set()

    def begin(self) -> None:
        self.has_worked = False

    def progress(self, sources: Found) -> AbstractContextManager[Told]:
        """Show the progress of the first import; the later ones are short."""
        return nullcontext(_ignore) if self.has_worked else progress(sources)

    def tell(self) -> None:
        """Print the imports since the last call, and each problem that is new."""
        self.has_worked = True
        report = self.report.take_news()
        for problem in report.problems:
            if problem not in self._told:
                self._told.add(problem)
                note_problem(problem)
        if len(self._told) > _MAX_TOLD:
            self._told.clear()
        if not report.has_news:
            return
        if self._as_json:
            moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            click.echo(json.dumps({"time": moment, **report.to_json()}))
        elif counted := _counted(report):
            click.echo(f"{to_local(datetime.now(UTC)):%H:%M:%S}  {counted}")
        sys.stdout.flush()

    def summary(self) -> None:
        self.tell()
        if not self._as_json:
            click.echo(f"ended; imported: {_counted(self.report) or 'nothing'}")


def _ignore(_read: int) -> None:
    pass


def _counted(report: Report) -> str:
    """Return the counts that are not 0, in words."""
    return ", ".join(
        " ".join((counted(report.counts[name], noun), *rest))
        for name, noun, *rest in _WORDS
        if report.counts[name]
    )


_WORDS = (
    ("sessions", "new session"),
    ("events", "event"),
    ("requests", "model request"),
    ("gone", "session", "without its file"),
    ("broken", "broken record", "skipped"),
    ("refused", "record", "refused"),
)
