"""The checks of `ao-doctor`: problems on this machine, with advice for each.

Checks change nothing. `ao-doctor --fix` cleans up after dead supervisors.
"""

from __future__ import annotations

import shlex
import stat
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile

from .. import __version__
from ..client.manager import ManagerClient
from ..executors.base import ExecutorError
from ..machine.environment import claude_dir, has_api_key, host, outbox_dir
from ..machine.processes import RunProcesses
from ..outbox.files import list_outboxes
from ..outbox.outbox import EVENT, Outbox, OutboxError, OutboxHeldError, Refused, peek
from ..runs.executor_table import EXECUTORS, ExecutorKind, Presence, list_executors
from ..runs.registry import list_registered, spared_pids
from ..session_client import SessionClientError, _discover
from ..shared.error_text import OF_SPACE
from ..shared.plurals import counted
from ..shared.private_files import closing_advice

STALE_AFTER = timedelta(days=1)

SPACE_BYTES = 1 << 20
"""Size of a file that the state directory has to have space for; it is removed at once."""

_WITHOUT_SPACE = "make space on its disk, for example with ao-clean"
_UNWRITABLE = "make it writable, or name another with AGENT_ORCHESTRATOR_STATE_DIR"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check; `advice` says what to do if something is wrong."""

    about: str
    text: str
    advice: str | None = None

    matters: bool = True
    """True if the problem breaks something that is set up to work."""

    @property
    def is_fine(self) -> bool:
        return self.advice is None or not self.matters


def check_manager(
    manager: ManagerClient, port: int | None, *, is_needed: bool
) -> Iterator[Finding]:
    """Check that a manager answers; show its version and where its data is.

    It is not needed if none serves and the next command would start one.
    """
    try:
        health = manager.get_health()
        newest = list(manager.find_sessions(limit=1))
    except SessionClientError as exc:
        text, advice = str(exc), "agent-session-manager serve"
        if is_needed:
            advice = f"start it: {advice}; see its log: agent-session-manager logs"
        else:
            text = f"none serves at {manager.base_url}"
            advice = f"nothing: the next command that needs it starts it; or {advice}"
        yield Finding(about="manager", text=text, advice=advice, matters=is_needed)
        return
    version = str(health.get("version"))
    yield Finding(
        about="manager",
        text=f"{manager.base_url}, version {version}, commands {__version__}",
        advice=None if version == __version__ else "agent-session-manager stop, and start it again",
    )
    found = None if port is None else _discover(port)
    where = found["database"] if found else "on another machine"
    text = f"{where}, {'readable' if newest else 'readable, no sessions yet'}"
    yield Finding(about="database", text=text)


def check_state_dir(state: Path) -> Iterator[Finding]:
    """Check that other users cannot access the state directory, and that it has space."""
    try:
        mode = stat.S_IMODE(state.stat().st_mode)
        with TemporaryFile(dir=state) as probe:  # free space says nothing of a quota
            probe.write(bytes(SPACE_BYTES))
            probe.flush()
    except FileNotFoundError:
        yield Finding(about="state directory", text=f"{state} does not exist yet")
        return
    except OSError as exc:
        yield Finding(
            about="state directory",
            text=f"{state} cannot be written: {exc.strerror}",
            advice=_WITHOUT_SPACE if exc.errno in OF_SPACE else _UNWRITABLE,
        )
        return
    yield Finding(
        about="state directory",
        text=f"{state}, mode {mode:o}",
        advice=closing_advice(state) if mode & 0o077 else None,
    )


def check_executors() -> Iterator[Finding]:
    """Check that agents can be started, and that credentials exist; do not read them."""
    try:
        kinds = list_executors()
    except ExecutorError as exc:
        yield Finding(about="executors", text=str(exc), advice="correct the file, or remove it")
        kinds = list(EXECUTORS.values())
    # Each program is started to tell its version, and most take a while to start.
    with ThreadPoolExecutor() as threads:
        for kind, seen in zip(kinds, threads.map(_look, kinds), strict=True):
            matters = seen.matters or seen.advice is None
            about = f"executor {kind.name}"
            yield Finding(about=about, text=seen.text, advice=seen.advice, matters=matters)
    has_login = (claude_dir() / ".credentials.json").exists()
    present = [
        name
        for name, is_there in (("ANTHROPIC_API_KEY", has_api_key()), ("login of claude", has_login))
        if is_there
    ]
    yield Finding(
        about="credentials",
        text=", ".join(present) if present else "none found",
        advice=None if present else "run `claude` and /login there, or set ANTHROPIC_API_KEY",
        matters=False,  # other executors do not need them
    )


def _look(kind: ExecutorKind) -> Presence:
    return Presence(f"runs {kind.agent} that you name") if kind.look is None else kind.look()


def check_outboxes(state: Path) -> Iterator[Finding]:
    """Check for events that the manager does not have yet or has refused for good."""
    for path in list_outboxes(outbox_dir(state)):
        try:
            with Outbox(path) as outbox:
                waiting, refused = outbox.count_waiting(), outbox.list_refused()
        except OutboxHeldError:
            yield from _check_held(path)
            continue
        except OutboxError as exc:
            yield Finding(about="outbox", text=str(exc), advice=f"look at {path}, or remove it")
            continue
        if waiting:
            advice = "any command delivers them while the manager can be reached"
            yield Finding(
                about="outbox", text=f"{counted(waiting, 'event')} in {path}", advice=advice
            )
        # A deleted session can have thousands of refused events.
        reasons = Counter(f"{_kind(entry)}: {entry.reason}" for entry in refused)
        for reason, count in reasons.items():
            yield Finding(
                about="outbox",
                text=f"{count} refused for good: {reason}",
                advice=(
                    "ao-doctor --fix sends it again; to discard it: "
                    f"rm {shlex.quote(str(path))} {shlex.quote(str(path.with_suffix('.lock')))}"
                ),
            )


def _check_held(path: Path) -> Iterator[Finding]:
    """Check for events that a live supervisor has not delivered yet or could not deliver."""
    with suppress(OutboxError):  # the supervisor has just delivered the rest and removed it
        waiting, refused = peek(path)
        if waiting:
            text = f"{counted(waiting, 'event')} in {path}, which its supervisor is delivering"
            yield Finding(about="outbox", text=text)
        if refused:
            text = f"{refused} refused for good in {path}, while its run continues"
            advice = "run ao-doctor again after the run has ended; it then shows the reason"
            yield Finding(about="outbox", text=text, advice=advice)


def _kind(refused: Refused) -> str:
    is_event = refused.kind == EVENT
    return str(refused.item.get("event_type")) if is_event else "lines of a transcript"


def check_supervisors(state: Path) -> Iterator[Finding]:
    """Check for dead supervisors and the processes that they left running."""
    alive = waiting = 0
    for entry in list_registered(state):
        if entry.is_supervised:
            waiting += entry.run.waits
            alive += not entry.run.waits
            continue
        if not entry.is_dead:
            yield Finding(
                about="supervisor",
                text=f"{entry.run.session_name!r}: its supervisor is on machine {entry.run.host}",
                advice=f"run ao-doctor there; if that machine no longer exists: rm {entry.path}",
                matters=False,
            )
            continue
        left = len(RunProcesses(None, entry.run.marker, lambda: spared_pids(state)).find())
        yield Finding(
            about="supervisor",
            text=f"{entry.run.session_name!r}: its supervisor died and left "
            f"{counted(left, 'process')}",
            advice="ao-doctor --fix, or ao-stop the session",
        )
    yield Finding(about="supervisors", text=f"{counted(alive, 'run')} supervised on this machine")
    if waiting:
        text = f"{counted(waiting, 'supervisor')} waiting until sessions below have ended"
        yield Finding(about="supervisors", text=text)


def check_notices(manager: ManagerClient, state: Path) -> Iterator[Finding]:
    """Check for notices that no run and no supervisor will tell."""
    try:
        untold = list(manager.find_sessions(has_notices="true", status="finished"))
    except SessionClientError:  # `check_manager` reports it, or it has no notices
        return
    supervised = {e.run.session_id for e in list_registered(state) if not e.is_dead}
    for session in untold:
        is_told = session["notices_held"] is None and session["session_id"] in supervised
        if not is_told and session["archived_at"] is None:
            count = counted(session["undelivered_notices"], "notice")
            text = f"{session['session_name']!r}: {count} of ended sessions wait for its next run"
            advice = f"ao-resume {session['session_id']}"
            yield Finding(about="session", text=text, advice=advice, matters=False)


def check_sessions(manager: ManagerClient) -> Iterator[Finding]:
    """Check for running sessions of this machine that have no lease and were idle for a day."""
    try:
        running = list(manager.find_sessions(status="running"))
    except SessionClientError:  # `check_manager` reports it
        return
    for session in running:
        last = datetime.fromisoformat(session["last_activity_at"])
        is_stale = session["lease"] is None and datetime.now(UTC) - last > STALE_AFTER
        if is_stale and session["host"] in (None, host()):
            text = f"{session['session_name']!r} is running without a lease and was idle for a day"
            advice = f"ao-resume --takeover, or ao-clean --force {session['session_id']}"
            yield Finding(about="session", text=text, advice=advice)
    yield Finding(about="sessions", text=f"{len(running)} running")
