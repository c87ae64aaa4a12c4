"""What can be wrong on this machine, and what to do about each: the checks of `ao-doctor`.

Checks only look. What they find of a dead supervisor is mended by whoever asks for it.
"""

from __future__ import annotations

import shlex
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from .. import __version__
from ..client.manager import ManagerClient
from ..machine.environment import claude_dir, has_api_key, host, outbox_dir
from ..machine.processes import RunProcesses
from ..outbox.files import list_outboxes
from ..outbox.outbox import EVENT, Outbox, OutboxError, OutboxHeldError, Refused, peek
from ..runs.registry import list_registered, spared_pids
from ..session_client import SessionClientError, _discover

STALE_AFTER = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at; `advice` is what to do, where it is not as it should be."""

    about: str
    text: str
    advice: str | None = None

    matters: bool = True
    """Whether it keeps something from working that was set up to work."""

    @property
    def is_fine(self) -> bool:
        return self.advice is None or not self.matters


def check_manager(manager: ManagerClient, port: int | None) -> Iterator[Finding]:
    """Whether a manager answers, which version it is, and where its data is."""
    try:
        health = manager.get_health()
        newest = list(manager.find_sessions(limit=1))
    except SessionClientError as exc:
        advice = "start it: agent-session-manager serve; see its log: agent-session-manager logs"
        yield Finding(about="manager", text=str(exc), advice=advice)
        return
    version = str(health.get("version"))
    yield Finding(
        about="manager",
        text=f"{manager.base_url}, version {version}, commands {__version__}",
        advice=None if version == __version__ else "agent-session-manager stop, and start it anew",
    )
    found = None if port is None else _discover(port)
    where = found["database"] if found else "of another machine"
    text = f"{where}, {'readable' if newest else 'readable, no sessions yet'}"
    yield Finding(about="database", text=text)


def check_state_dir(state: Path) -> Iterator[Finding]:
    """Whether the state directory is ours alone."""
    try:
        mode = stat.S_IMODE(state.stat().st_mode)
    except FileNotFoundError:
        yield Finding(about="state directory", text=f"{state} is not there yet")
        return
    yield Finding(
        about="state directory",
        text=f"{state}, mode {mode:o}",
        advice=f"chmod 700 {state}" if mode & 0o077 else None,
    )


def check_executors() -> Iterator[Finding]:
    """Whether agents can be started; of credentials only whether there are any."""
    is_installed = find_spec("claude_agent_sdk") is not None
    yield Finding(
        about="executor claude",
        text="the agent SDK is installed" if is_installed else "the agent SDK is not installed",
        advice=None if is_installed else "pip install 'agent-orchestrator[claude]'",
    )
    has_login = (claude_dir() / ".credentials.json").exists()
    present = [
        name
        for name, is_there in (("ANTHROPIC_API_KEY", has_api_key()), ("login of claude", has_login))
        if is_there
    ]
    yield Finding(
        about="credentials",
        text=", ".join(present) if present else "none that we know of",
        advice=None if present else "run `claude` and /login there, or set ANTHROPIC_API_KEY",
        matters=False,  # to whoever uses other executors
    )


def check_outboxes(state: Path) -> Iterator[Finding]:
    """Which events the manager does not have yet, and which it will never take."""
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
            yield Finding(about="outbox", text=f"{waiting} events in {path}", advice=advice)
        # Of a session that is gone there may be thousands.
        reasons = Counter(f"{_kind(entry)}: {entry.reason}" for entry in refused)
        for reason, count in reasons.items():
            yield Finding(
                about="outbox",
                text=f"{count} refused for good: {reason}",
                advice=(
                    "ao-doctor --fix sends it once more; to give it up: "
                    f"rm {shlex.quote(str(path))} {shlex.quote(str(path.with_suffix('.lock')))}"
                ),
            )


def _check_held(path: Path) -> Iterator[Finding]:
    """What a supervisor that lives has not delivered yet, and what it could not deliver."""
    with suppress(OutboxError):  # it delivered the last of it, and removed it, this moment
        waiting, refused = peek(path)
        if waiting:
            text = f"{waiting} events in {path}, which its supervisor is delivering"
            yield Finding(about="outbox", text=text)
        if refused:
            text = f"{refused} refused for good in {path}, while its run goes on"
            advice = "once the run has ended: ao-doctor, which then says why"
            yield Finding(about="outbox", text=text, advice=advice)


def _kind(refused: Refused) -> str:
    is_event = refused.kind == EVENT
    return str(refused.item.get("event_type")) if is_event else "lines of a transcript"


def check_supervisors(state: Path) -> Iterator[Finding]:
    """Which supervisors live, and what those that died have left running."""
    alive = 0
    for entry in list_registered(state):
        if entry.is_supervised:
            alive += 1
            continue
        if not entry.is_dead:
            yield Finding(
                about="supervisor",
                text=f"that of {entry.run.session_name!r} is on {entry.run.host}, another machine",
                advice=f"run ao-doctor there; where that machine is gone: rm {entry.path}",
                matters=False,
            )
            continue
        left = len(RunProcesses(None, entry.run.marker, lambda: spared_pids(state)).find())
        yield Finding(
            about="supervisor",
            text=f"that of {entry.run.session_name!r} died, {left} processes are left",
            advice="ao-doctor --fix, or ao-stop the session",
        )
    yield Finding(about="supervisors", text=f"{alive} runs are supervised on this machine")


def check_sessions(manager: ManagerClient) -> Iterator[Finding]:
    """Which sessions of this machine say that they run and have nobody who vouches for it."""
    try:
        running = list(manager.find_sessions(status="running"))
    except SessionClientError:  # the manager's own finding says so
        return
    for session in running:
        last = datetime.fromisoformat(session["last_activity_at"])
        is_stale = session["lease"] is None and datetime.now(UTC) - last > STALE_AFTER
        if is_stale and session["host"] in (None, host()):
            text = f"{session['session_name']!r} runs without a lease and was quiet for a day"
            advice = f"ao-resume --takeover, or ao-clean --force {session['session_id']}"
            yield Finding(about="session", text=text, advice=advice)
    yield Finding(about="sessions", text=f"{len(running)} running")
