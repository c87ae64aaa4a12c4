"""Running a session in the foreground: what `ao-new` and `ao-resume` share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..agents import Agent, AgentError, find_agent
from ..config import Config
from ..driving import RunOutcome, drive, stop_on_signals
from ..environment import agent_environment, home, state_dir
from ..executors import EXECUTORS, RunSpec, create_executor
from ..manager_client import NO_RESULT, ManagerClient
from ..recorder import Recorder, RecordingError
from ..run_specs import Spec, seal
from ..session_client import SessionClientError
from .command import DONE, FAILED, USAGE, CommandError
from .output import answer, answer_json, note
from .progress import progress

Session = dict[str, Any]
Decorator = Callable[[Callable[..., None]], Callable[..., None]]

PERMISSION_MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")


def model_option(default: str) -> Decorator:
    return click.option("--model", metavar="MODEL", help=f"Default: {default}.")


def permission_option(default: str) -> Decorator:
    return click.option(
        "--permission-mode",
        type=click.Choice(PERMISSION_MODES),
        help=f"What the agent may do unasked. Default: {default}.",
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

    def sealed(self, session_id: str) -> Spec:
        """What is kept with the run, so that a resume can repeat it."""
        spec = {
            "executor": self.executor,
            "agent": self.agent.name if self.agent else None,
            "model": self.model,
            "permission_mode": self.permission_mode,
            "command": list(self.command),
        }
        return seal(spec, session_id=session_id, state_dir=state_dir())

    def run_spec(self, session: Session, project_dir: Path, *, resume: bool) -> RunSpec:
        return RunSpec(
            session_id=session["session_id"],
            project_dir=project_dir,
            executor=self.executor,
            resume=resume,
            agent=self.agent,
            model=self.model,
            permission_mode=self.permission_mode,
            command=self.command,
            environment=agent_environment(),
        )


def load_agent(name: str | None, config: Config) -> Agent | None:
    """The definition of this name; None where no name is given."""
    if name is None:
        return None
    try:
        return find_agent(
            name, agents_dir=config.agents_dir, project_dir=config.project_dir, home=home()
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


def run_in_foreground(
    manager: ManagerClient,
    plan: Plan,
    open_run: Callable[[], Session],
    project_dir: Path,
    *,
    resume: bool = False,
) -> tuple[Session, RunOutcome]:
    """Open the run, drive it to its end, and return the session and how it ended.

    From before the run is opened, a request to stop is a request to end it well: there is no
    moment in which Ctrl-C leaves a session that says it is running.
    """

    async def run() -> tuple[Session, RunOutcome]:
        with stop_on_signals() as stop:
            session = open_run()
            with (
                progress(session["session_name"]) as show,
                Recorder(manager, session["session_id"], session["run"]) as recorder,
            ):
                executor = create_executor(plan.run_spec(session, project_dir, resume=resume))

                def record(event: dict[str, Any]) -> None:
                    recorder.record(event)
                    show(event)

                return session, await drive(executor, plan.prompt, record, stop=stop)

    try:
        return asyncio.run(run())
    except RecordingError as exc:
        raise CommandError(f"{exc}: what the manager has of this run is not complete") from exc


def report(manager: ManagerClient, session: Session, outcome: RunOutcome, *, as_json: bool) -> int:
    """Print the result, say what went wrong, and return the exit code."""
    session_id = session["session_id"]
    try:
        result = manager.get_result(session_id)
    except SessionClientError as exc:
        if exc.code != NO_RESULT:
            raise
        result = None
    if as_json:
        shown = {**manager.get_session(session_id), "result": result, "error": outcome.error}
        answer_json(shown)
    else:
        answer(result or "")
    if outcome.is_completed:
        return DONE
    note(f"session {session['session_name']!r} {outcome.reason}: {outcome.error or 'unknown why'}")
    return FAILED
