"""Starting runs: of a new session, and the next one of a session that is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import httpx

from ..client.connect import client_of
from ..client.errors import NAME_TAKEN, RUN_NOT_NEXT, SESSION_RUNNING
from ..client.manager import Json, ManagerClient, OpenedRun, cursor_of
from ..events.prepare import create_event
from ..executors.base import Continuation, RunSpec
from ..machine.environment import agent_environment, control_token, host, parent_session_id
from ..machine.wire_text import wire_text
from ..runs.assignment import Assignment
from ..runs.launch import LaunchError, launch
from ..session_client import SessionClientError, _find_token
from .errors import SessionError
from .plan import sealed

MIN_TERM_SECONDS = 0.1
"""A manager that says less would have its lease renewed without a pause."""

Open = Callable[[str], OpenedRun]
"""Opens a run whose lease has the holder of this name."""


class SessionRunningError(SessionError):
    """The session runs, and is not to be taken over."""

    def __init__(self, session: Json) -> None:
        super().__init__(f"session {session['session_name']!r} is running")
        self.session = session


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run that is to be started."""

    prompt: str
    spec: RunSpec
    continues: Continuation = Continuation()
    timeout_seconds: float | None = None


def start_session(manager: ManagerClient, name: str, new: NewRun) -> Json:
    """Create a session of this name and start its first run; return the session.

    Raises:
        SessionError: another session of the project has the name, or no supervisor took the run
            over, which is then closed as failed.
    """
    spec = new.spec
    session_id = str(uuid4())  # which is also the agent's own id of the session
    project_dir = wire_text(str(spec.project_dir))
    agent_name = spec.agent.name if spec.agent else None
    first = {
        "session_id": session_id,
        "run": 1,
        "project_dir": project_dir,
        "agent_name": agent_name,
        "executor": spec.executor,
    }

    def create(holder: str) -> OpenedRun:
        try:
            return manager.create_named_session(
                session_id,
                name,
                project_dir=project_dir,
                agent_name=agent_name,
                executor=spec.executor,
                host=host(),
                spec=sealed(spec, first),
                holder=holder,
                parent_session_id=parent_session_id(),
            )
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise SessionError(
                f"there is a session {name!r} in {spec.project_dir} already: continue it with "
                "ao-resume, remove it with ao-clean, or choose another name"
            ) from exc

    return _start(manager, new, create)


def start_next_run(manager: ManagerClient, session: Json, new: NewRun, *, takeover: bool) -> Json:
    """Start the next run of a session, and return the session.

    Raises:
        SessionRunningError: its newest run is open, and not to be taken over.
        SessionError: it was continued meanwhile, or no supervisor took the run over, which is then
            closed as failed.
    """
    number = session["run"] + 1

    def open_next(holder: str) -> OpenedRun:
        try:
            return manager.open_run(
                session["session_id"],
                run=number,
                host=host(),
                spec=sealed(new.spec, {**session, "run": number}),
                takeover=takeover,
                holder=holder,
            )
        except SessionClientError as exc:
            if exc.code == RUN_NOT_NEXT:
                raise SessionError(
                    f"session {session['session_name']!r} was continued meanwhile, by another "
                    "command: nothing was started. See ao-status, then resume it again"
                ) from exc
            if exc.code != SESSION_RUNNING:
                raise
            raise SessionRunningError(manager.get_session(session["session_id"])) from exc

    return _start(manager, new, open_next)


def _start(manager: ManagerClient, new: NewRun, open_run: Open) -> Json:
    """Open the run and hand it to a supervisor; it then goes on without us.

    A kill in between leaves a lease that nobody renews: the run is then lost by itself.
    """
    holder = str(uuid4())
    opened = open_run(holder)
    session = opened.session
    try:
        launch(_assignment(opened, new, url=manager.base_url, holder=holder))
    except (LaunchError, OSError) as exc:
        error = str(exc)
        stop = create_event("session_stop", reason="failed", exit_code=1, error=error)
        with client_of(manager.base_url, run_token=opened.tokens.run) as own:
            own.append_events(session["session_id"], [{**stop, "run": session["run"]}])
            if opened.tokens.run is not None:
                own.revoke_run_tokens(session["session_id"], session["run"])
        raise SessionError(f"the run could not be started: {error}") from exc
    return session


def _assignment(opened: OpenedRun, new: NewRun, *, url: str, holder: str) -> Assignment:
    """What a supervisor needs for this run, which is the newest of its session."""
    session = opened.session
    return Assignment(
        url=url,
        session_id=session["session_id"],
        session_name=session["session_name"],
        run=session["run"],
        holder=holder,
        term_seconds=_term_seconds(session),
        prompt=new.prompt,
        spec=new.spec,
        environment=agent_environment(),
        continues=new.continues,
        cursor=cursor_of(session, session["last_seq"]),
        timeout_seconds=new.timeout_seconds,
        parent_session_id=session["parent_session_id"],
        run_token=opened.tokens.run,
        agent_token=opened.tokens.agent,
        control_token=_configured_token(url),
    )


def _configured_token(url: str) -> str | None:
    """The token that the person has set, where it is the one for this manager."""
    token = control_token()
    return token if token is not None and _find_token(httpx.URL(url)) == token else None


def _term_seconds(session: Json) -> float:
    """How long a lease lasts: that of a run begins when the run does, by the manager's clock."""
    begin, end = session["started_at"], session["lease"]["expires_at"]
    term = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    return max(term.total_seconds(), MIN_TERM_SECONDS)
