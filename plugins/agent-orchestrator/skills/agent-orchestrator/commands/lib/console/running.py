"""Starting a run and watching it: what `ao-new` and `ao-resume` share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import httpx

from ..agents.agents import Agent, AgentError, find_agent
from ..client.manager import NAME_TAKEN, NO_RESULT, ManagerClient, cursor_of
from ..config import Config
from ..events.prepare import create_event
from ..machine.environment import (
    agent_environment,
    claude_dir,
    control_token,
    given_project_dir,
    host,
    parent_session_id,
    state_dir,
)
from ..machine.ownership import find_doubt_below
from ..machine.wire_text import wire_text
from ..runs.assignment import Assignment
from ..runs.executor_table import EXECUTORS
from ..runs.launch import LaunchError, launch
from ..runs.seal import Spec, fingerprint, seal
from ..runs.stop import find_registered, request_stop, signal_supervisor
from ..session_client import SessionClientError, _find_token
from ..shared.masking import Masking
from .command import DONE, FAILED, USAGE, CommandError, Seconds
from .connect import client_of
from .following import follow
from .output import answer, answer_json, discard, note
from .progress import progress

Session = dict[str, Any]
Decorator = Callable[[Callable[..., None]], Callable[..., None]]

MIN_TERM_SECONDS = 0.1
"""A manager that says less would have its lease renewed without a pause."""
PERMISSION_MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")


def model_option(default: str) -> Decorator:
    return click.option("--model", metavar="MODEL", help=f"Default: {default}.")


def permission_option(default: str) -> Decorator:
    return click.option(
        "--permission-mode",
        type=click.Choice(PERMISSION_MODES),
        help=f"What the agent may do unasked. Default: {default}.",
    )


timeout_option = click.option(
    "--timeout", type=Seconds(min=0.001), metavar="S", help="Stop the run after S seconds."
)
detach_option = click.option(
    "-d", "--detach", is_flag=True, help="Print the session's id and return; the run goes on."
)
no_transcripts_option = click.option(
    "--no-transcripts", is_flag=True, help="Keep no transcript of this run and later ones."
)
program_argument = click.argument("program", nargs=-1, type=click.UNPROCESSED)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is to be, once it is known who asked for it and with what."""

    prompt: str
    executor: str
    agent: Agent | None = None
    model: str | None = None
    permission_mode: str | None = None
    command: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    transcripts: bool = True

    def sealed(self, session: Session, project_dir: Path) -> Spec:
        """What is kept with this run of the session, so that a resume can repeat it.

        Credentials are masked in it. `session` is the session as this run finds it: a resume that
        finds it otherwise asks the person.
        """
        state = state_dir()
        spec: Spec = {
            "executor": self.executor,
            "agent": self.agent.name if self.agent else None,
            "project_dir": str(project_dir),
            "model": self.model,
            "permission_mode": self.permission_mode,
            "command": list(self.command),
            **({} if self.transcripts else {"transcripts": False}),
        }
        spec = {
            **Masking().value(spec),
            "agent_digest": fingerprint(self.agent, state),
            "session": session_fields(session),
        }
        return seal(spec, session_id=session["session_id"], run=session["run"], state_dir=state)

    def assignment(
        self, session: Session, project_dir: Path, *, url: str, holder: str
    ) -> Assignment:
        """What a supervisor needs to run this as the session's newest run, from the beginning."""
        return Assignment(
            url=url,
            session_id=session["session_id"],
            session_name=session["session_name"],
            run=session["run"],
            holder=holder,
            term_seconds=_term_seconds(session),
            prompt=self.prompt,
            executor=self.executor,
            project_dir=project_dir,
            resume=False,
            agent=self.agent,
            model=self.model,
            permission_mode=self.permission_mode,
            command=self.command,
            environment=agent_environment(),
            cursor=cursor_of(session, session["last_seq"]),
            control_token=_configured_token(url),
            timeout_seconds=self.timeout_seconds,
            parent_session_id=session["parent_session_id"],
            transcripts=self.transcripts,
        )


def session_fields(session: Session) -> dict[str, Any]:
    """What a session says of how it is run, which others can change."""
    return {name: session[name] for name in ("agent_name", "executor", "project_dir")}


def _configured_token(url: str) -> str | None:
    """The token that the person has set, where it is the one for this manager."""
    token = control_token()
    return token if token is not None and _find_token(httpx.URL(url)) == token else None


def _term_seconds(session: Session) -> float:
    """How long a lease lasts: that of a run begins when the run does, by the manager's clock."""
    begin, end = session["started_at"], session["lease"]["expires_at"]
    term = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    return max(term.total_seconds(), MIN_TERM_SECONDS)


def load_agent(name: str | None, config: Config) -> Agent | None:
    """The definition of this name; None where no name is given."""
    if name is None:
        return None
    try:
        return find_agent(
            name,
            agents_dir=config.agents_dir,
            project_dir=config.project_dir,
            claude_dir=claude_dir(),
        )
    except AgentError as exc:
        raise CommandError(str(exc), USAGE) from exc


def check(plan: Plan) -> Plan:
    """Refuse what cannot become a run, before anything is created."""
    if plan.executor not in EXECUTORS:
        known = ", ".join(EXECUTORS)
        raise CommandError(f"no executor {plan.executor!r}; there are: {known}", USAGE)
    if plan.executor == "command" and not plan.command:
        raise CommandError("the command executor needs a program: … -- PROGRAM ARG…", USAGE)
    if plan.executor != "command" and plan.command:
        raise CommandError(f"-- PROGRAM goes with --executor command, not {plan.executor}", USAGE)
    if plan.executor != "command" and not plan.prompt:
        raise CommandError("no prompt: give one with -p TEXT or on stdin", USAGE)
    return plan


class _HeldInterrupts:
    """A SIGINT handler for the time between a run's creation and our being ready to stop it.

    Its program, which execs, does not inherit it. `release` is the Ctrl-C that came meanwhile.
    """

    came = False

    def __call__(self, *_: object) -> None:
        self.came = True

    @staticmethod
    def release() -> None:
        held = signal.signal(signal.SIGINT, signal.default_int_handler)
        if isinstance(held, _HeldInterrupts) and held.came:
            raise KeyboardInterrupt


def new_session(
    manager: ManagerClient, name: str, plan: Plan, project_dir: Path
) -> Callable[[str], Session]:
    """How to create a session of this name, once it is known who holds its lease.

    Raises:
        CommandError: (when it is created) another session of the project has the name.
    """

    def create(holder: str) -> Session:
        session_id = str(uuid4())  # which is also the agent's own id of the session
        agent_name = plan.agent.name if plan.agent else None
        first = {
            "session_id": session_id,
            "run": 1,
            "project_dir": wire_text(str(project_dir)),
            "agent_name": agent_name,
            "executor": plan.executor,
        }
        try:
            return manager.create_named_session(
                session_id,
                name,
                project_dir=wire_text(str(project_dir)),
                agent_name=agent_name,
                executor=plan.executor,
                host=host(),
                spec=plan.sealed(first, project_dir),
                holder=holder,
                parent_session_id=parent_session_id(),
            )
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise CommandError(
                f"there is a session {name!r} in {project_dir} already: continue it with "
                "ao-resume, remove it with ao-clean, or choose another name"
            ) from exc

    return create


_READ_BY_CLAUDE = (".claude", ".claude/settings.json", ".claude/settings.local.json", ".mcp.json")
"""What in a project decides which programs Claude Code runs unasked."""


def refuse_doubtful(plan: Plan, project_dir: Path, *, is_named: bool) -> None:
    """Refuse a run whose programs another user could have chosen, in a project that was not named.

    Raises:
        CommandError: a file of the project that says what is run is not only ours.
    """
    if is_named or given_project_dir() is not None:
        return
    paths = [project_dir / name for name in _READ_BY_CLAUDE] if plan.executor == "claude" else []
    if plan.agent is not None:
        paths.append(plan.agent.source)
    for path in paths:
        if doubt := find_doubt_below(project_dir, path):
            raise CommandError(
                f"{doubt}, who could choose what runs here as you; look at it, then name the "
                f"project to use it all the same: --project-dir {project_dir}",
                USAGE,
            )


def start(  # noqa: PLR0913  # each of the last says what is continued
    manager: ManagerClient,
    plan: Plan,
    open_run: Callable[[str], Session],
    project_dir: Path,
    *,
    resume: bool = False,
    fork_of: str | None = None,
    conversation_id: str | None = None,
) -> Session:
    """Open the run and hand it to a supervisor; it then goes on without us.

    `open_run` gets the name of the lease's holder. A kill in between leaves a lease that nobody
    renews: the run is then lost by itself.

    Raises:
        CommandError: no supervisor took it over; the run is closed as failed.
    """
    holder = str(uuid4())
    signal.signal(signal.SIGINT, _HeldInterrupts())
    session = open_run(holder)
    tokens = manager.take_run_tokens(session)
    try:
        assignment = plan.assignment(session, project_dir, url=manager.base_url, holder=holder)
        launch(
            replace(
                assignment,
                resume=resume,
                fork_of=fork_of,
                conversation_id=conversation_id,
                run_token=tokens.run,
                agent_token=tokens.agent,
            )
        )
    except (LaunchError, OSError) as exc:
        error = str(exc)
        stop = create_event("session_stop", reason="failed", exit_code=FAILED, error=error)
        with client_of(manager.base_url, run_token=tokens.run) as own:
            own.append_events(session["session_id"], [{**stop, "run": session["run"]}])
            if tokens.run is not None:
                own.revoke_run_tokens(session["session_id"], session["run"])
        raise CommandError(f"the run could not be started: {error}") from exc
    return session


def watch(manager: ManagerClient, session: Session, *, as_json: bool) -> int:
    """Follow the run to its end, print its result, and return the exit code.

    The first Ctrl-C asks the run to stop, a second one stops only the watching. Inside a run it is
    that one's end and nobody's Ctrl-C: a session that an agent has started goes on.
    """
    asked = False
    end: dict[str, Any] = {}
    after_seq = session["last_seq"]
    with progress(session["session_name"]) as show:

        def look(event: dict[str, Any]) -> None:
            nonlocal after_seq
            after_seq = event["seq"]
            if event["event_type"] == "session_stop" and event["run"] == session["run"]:
                end.update(event)
            show(event)

        try:
            _HeldInterrupts.release()
            ended = follow(manager, session, look, after_seq=after_seq)
        except KeyboardInterrupt:
            try:
                if parent_session_id() is not None:
                    raise
                _ask_to_stop(manager, session)
                asked = True
                note("stopping; Ctrl-C again stops the waiting only")
                ended = follow(manager, session, look, after_seq=after_seq)
            except KeyboardInterrupt:
                what = "is stopping" if asked else "goes on: ao-stop stops it"
                raise CommandError(
                    f"not waiting any more; session {session['session_name']!r} {what}"
                ) from None
    if ended["run"] > session["run"]:
        reason = end.get("reason", "lost")
        note(f"session {ended['session_name']!r} {reason}: run {ended['run']} continues it")
        return DONE if reason == "completed" else FAILED
    return _report(manager, ended, end.get("error"), as_json=as_json)


def _ask_to_stop(manager: ManagerClient, session: Session) -> None:
    try:
        request_stop(manager, session)
    except SessionClientError:  # the manager is away: the supervisor is on this machine
        for entry in find_registered(state_dir(), session_id=session["session_id"]):
            signal_supervisor(entry)


def _report(manager: ManagerClient, session: Session, error: str | None, *, as_json: bool) -> int:
    try:
        result = manager.get_result(session["session_id"])
    except SessionClientError as exc:
        if exc.code != NO_RESULT:
            raise
        result = None
    try:
        if as_json:
            answer_json({**session, "result": result, "error": error})
        else:
            answer(result or "")
    except BrokenPipeError:  # nobody reads it to its end; how the run ended is told all the same
        discard(sys.stdout)
    if session["reason"] == "completed":
        return DONE
    why = error or ("its supervisor is gone" if session["reason"] == "lost" else "unknown why")
    note(f"session {session['session_name']!r} {session['reason']}: {why}")
    return FAILED


def report_started(session: Session, *, as_json: bool) -> None:
    """Print the session that goes on without us."""
    if as_json:
        answer_json(session)
    else:
        answer(session["session_id"])
