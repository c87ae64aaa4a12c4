"""Starting runs: the first run of a new session, and the next run of an existing session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from ...client.connection.connect import client_of, own_token
from ...client.errors import NAME_TAKEN, RUN_NOT_NEXT, SESSION_RUNNING
from ...client.manager import Json, ManagerClient, cursor_of
from ...client.opened_run import Notices, OpenedRun
from ...client.patient_client import PATIENCE_SECONDS
from ...events.prepare import create_event
from ...executors.base import Continuation, RunSpec
from ...machine.environment import agent_environment, control_token, host, parent_session_id
from ...machine.wire_text import wire_text
from ...runs.assignment import Assignment
from ...runs.launch import Launch, LaunchError
from ...session_client import SessionClientError
from ...shared.error_text import why
from ..errors import SessionError, name_taken_at_start
from .plan import sealed

MIN_TERM_SECONDS = 0.1
"""The shortest term of a lease; a shorter one would be renewed without a pause."""

_END_OF_NOTICES = "[Agent Orchestrator] End of the notices. The prompt of this run follows."

Open = Callable[[str], OpenedRun]
"""A function that opens a run for the holder with the given name."""


class SessionRunningError(SessionError):
    """An error: the session is running, and no takeover was requested."""

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
    session_id: str | None = None
    """Id of a new session, if the manager has chosen it."""
    asked: str | None = None
    """Digest of the text, if an agent has asked the manager for this run."""
    notify: bool = False
    """True if the end of the run writes a notice for the parent of the session."""
    is_automatic: bool = False
    """True if no person asks for the run: its prompt is the pending notices."""


def start_session(manager: ManagerClient, name: str, new: NewRun) -> Json:
    """Create a session of this name and start its first run; return the session.

    Raises:
        SessionError: another session of the project has the name, or no supervisor could be
            started; in the second case the run is closed as failed.
    """
    spec = new.spec
    session_id = new.session_id or str(uuid4())  # also the id of the agent's own session
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
                spec=sealed(spec, first, asked=new.asked),
                holder=holder,
                parent_session_id=parent_session_id(),
                notify=new.notify,
            )
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise name_taken_at_start(name, spec.project_dir) from exc

    return _start(manager, new, create)


def start_next_run(manager: ManagerClient, session: Json, new: NewRun, *, takeover: bool) -> Json:
    """Start the next run of a session, and return the session.

    Raises:
        SessionRunningError: the newest run is open, and no takeover was requested.
        SessionError: another command has continued the session, or no supervisor could be started;
            in the second case the run is closed as failed.
    """
    number = session["run"] + 1

    def open_next(holder: str) -> OpenedRun:
        try:
            return manager.open_run(
                session["session_id"],
                run=number,
                host=host(),
                spec=sealed(new.spec, {**session, "run": number}, asked=new.asked),
                takeover=takeover,
                holder=holder,
                notify=new.notify,
                take_notices=new.is_automatic or session.get("undelivered_notices", 0) > 0,
                automatic=new.is_automatic,
            )
        except SessionClientError as exc:
            if exc.code == RUN_NOT_NEXT:
                raise SessionError(
                    f"session {session['session_name']!r} has just been continued by another "
                    "command: nothing was started. See ao-status, then resume it again"
                ) from exc
            if exc.code != SESSION_RUNNING:
                raise
            raise SessionRunningError(manager.get_session(session["session_id"])) from exc

    return _start(manager, new, open_next)


def _start(manager: ManagerClient, new: NewRun, open_run: Open) -> Json:
    """Open the run and hand it to a supervisor; the run then continues without this process.

    If this process is killed in between, the run is lost when its lease expires.
    """
    holder = str(uuid4())
    with Launch() as launch:
        opened = open_run(holder)
        try:
            launch.hand_over(_assignment(opened, new, url=manager.base_url, holder=holder))
        except (LaunchError, OSError) as exc:
            _close_as_failed(manager, opened, why(exc))
            raise SessionError(f"the run could not be started: {why(exc)}") from exc
    return opened.session


def _close_as_failed(manager: ManagerClient, opened: OpenedRun, error: str) -> None:
    session_id, run = opened.session["session_id"], opened.session["run"]
    stop = create_event("session_stop", reason="failed", exit_code=1, error=error)
    token, url = opened.tokens.run, manager.base_url
    with client_of(url, run_token=token, timeout_seconds=PATIENCE_SECONDS) as own:
        own.append_events(session_id, [{**stop, "run": run}])
        if token is not None:
            own.revoke_run_tokens(session_id, run)


def _assignment(opened: OpenedRun, new: NewRun, *, url: str, holder: str) -> Assignment:
    """Return the data that a supervisor needs for this run, the newest of its session."""
    session = opened.session
    return Assignment(
        url=url,
        session_id=session["session_id"],
        session_name=session["session_name"],
        run=session["run"],
        holder=holder,
        term_seconds=_term_seconds(session),
        prompt=_prompt(opened.notices, new.prompt),
        spec=new.spec,
        environment=agent_environment(),
        continues=new.continues,
        cursor=cursor_of(session, session["last_seq"]),
        timeout_seconds=new.timeout_seconds,
        parent_session_id=session["parent_session_id"],
        run_token=opened.tokens.run,
        agent_token=opened.tokens.agent,
        notice_batch=opened.notices.batch_id if opened.notices else None,
        is_automatic=new.is_automatic,
        control_token=_configured_token(url),
    )


def _prompt(notices: Notices | None, prompt: str) -> str:
    if notices is None:
        return prompt
    return f"{notices.text}\n\n{_END_OF_NOTICES}\n\n{prompt}" if prompt else notices.text


def _configured_token(url: str) -> str | None:
    """Return the token that the person has set, if it is for this manager."""
    token = control_token()
    return token if token is not None and own_token(url) == token else None


def _term_seconds(session: Json) -> float:
    """Return the term of the lease, which begins with the run, by the manager's clock."""
    begin, end = session["started_at"], session["lease"]["expires_at"]
    term = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    return max(term.total_seconds(), MIN_TERM_SECONDS)
