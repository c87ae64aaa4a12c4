"""`ao-resume`: continue a session with another run."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from ..client.manager import RUN_NOT_NEXT, SESSION_RUNNING, ManagerClient
from ..console.command import (
    Command,
    CommandError,
    agents_option,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.following import wait_for
from ..console.last_run import Given, plan_next
from ..console.output import local_time
from ..console.prompt import prompt_option, read_prompt
from ..console.running import (
    Session,
    check,
    detach_option,
    model_option,
    new_session,
    no_transcripts_option,
    permission_option,
    program_argument,
    refuse_doubtful,
    report_started,
    start,
    timeout_option,
    watch,
)
from ..console.sessions import checked_name, resolve
from ..machine.environment import claude_dir, host, state_dir
from ..runs.conversations import find_conversation
from ..runs.stop import clear_dead, request_stop
from ..session_client import SessionClientError

TAKEOVER_SECONDS = 15.0
"""How long the run that is taken over may take to stop; its lease is taken from it then."""

EXAMPLES = """\
  ao-resume fix-login -p 'Now the logout test.'
  ao-resume 3f2a -p 'Go on.' --model opus
  ao-resume count -p 'three four'"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("session")
@program_argument
@prompt_option
@click.option(
    "--agent", "agent_name", metavar="AGENT", help="A definition. Default: the last run's."
)
@model_option("the last run's")
@permission_option("the last run's, if it was yours on this machine")
@click.option(
    "--takeover", is_flag=True, help="Stop the run that is going on, or give up one that is dead."
)
@click.option(
    "--fork", metavar="NAME", help="Continue it as a new session NAME; SESSION stays as it is."
)
@timeout_option
@no_transcripts_option
@detach_option
@project_option
@agents_option
@json_option
def main(
    session: str,
    program: tuple[str, ...],
    prompt: tuple[str, ...],
    agent_name: str | None,
    model: str | None,
    permission_mode: str | None,
    takeover: bool,
    fork: str | None,
    timeout: float | None,
    no_transcripts: bool,
    detach: bool,
    project_dir: str | None,
    agents_dir: str | None,
    as_json: bool,
) -> None:
    """Continue SESSION (its name, its id or the start of it) and print the agent's answer.

    What the last run was started with is used again if you started it on this machine. Otherwise
    the command says what it would run and where, and what to give again.
    """
    config = configure(project_dir, agents_dir=agents_dir)
    text = read_prompt(prompt)
    with open_manager(config, for_people=True) as manager:
        found = resolve(manager, session, config, reach=False)
        given = Given(
            prompt=text,
            project_dir=None if project_dir is None else config.project_dir,
            agents_dir=agents_dir,
            agent=agent_name,
            program=program,
            model=model,
            permission_mode=permission_mode,
        )
        last, where = plan_next(manager, found, given)
        plan = check(
            replace(
                last,
                timeout_seconds=timeout,
                transcripts=last.transcripts and not no_transcripts,
            )
        )
        refuse_doubtful(plan, where, is_named=project_dir is not None)
        conversation_id = find_conversation(
            manager, found["session_id"], state_dir=state_dir(), claude_dir=claude_dir()
        )
        has_conversation = conversation_id is not None or _has_conversation(manager, found)

        def open_run(holder: str) -> Session:
            try:
                return manager.open_run(
                    found["session_id"],
                    run=found["run"] + 1,
                    host=host(),
                    spec=plan.sealed({**found, "run": found["run"] + 1}, where),
                    takeover=takeover,
                    holder=holder,
                )
            except SessionClientError as exc:
                if exc.code == RUN_NOT_NEXT:
                    raise CommandError(
                        f"session {found['session_name']!r} was continued meanwhile, by another "
                        "command: nothing was started. See ao-status, then resume it again"
                    ) from exc
                if exc.code != SESSION_RUNNING:
                    raise
                raise CommandError(_is_running(manager.get_session(found["session_id"]))) from exc

        if fork is None:
            _make_room(manager, found, takeover=takeover)
            run = start(
                manager,
                plan,
                open_run,
                where,
                resume=has_conversation,
                conversation_id=conversation_id,
            )
        else:
            create = new_session(manager, checked_name(fork), plan, where)
            fork_of = found["session_id"] if has_conversation else None
            run = start(
                manager, plan, create, where, fork_of=fork_of, conversation_id=conversation_id
            )
        if detach:
            report_started(run, as_json=as_json)
        else:
            sys.exit(watch(manager, run, as_json=as_json))


def _make_room(manager: ManagerClient, session: Session, *, takeover: bool) -> None:
    """See to it that no agent of an earlier run is left on this machine."""
    clear_dead(manager, session, state_dir())
    if takeover and session["status"] == "running" and request_stop(manager, session):
        list(wait_for(manager, [session], timeout_seconds=TAKEOVER_SECONDS))
        clear_dead(manager, session, state_dir())


def _is_running(session: Session) -> str:
    where = f" on {session['host']}" if session["host"] else ""
    since = local_time(session["started_at"])
    return (
        f"session {session['session_name']!r} is running{where} since {since}: "
        "wait for it with ao-wait, stop it with ao-stop, continue it as another "
        "session with --fork NAME, or add --takeover"
    )


def _has_conversation(manager: ManagerClient, session: Session) -> bool:
    """Whether there is something to continue: an agent that never started has nothing.

    Claude Code keeps a conversation from its first prompt on, answered or not, and refuses to begin
    another of that id.
    """
    if any(claude_dir().glob(f"projects/*/{session['session_id']}.jsonl")):
        return True
    return any(
        event["event_type"] not in ("session_stop", "diagnostic", "stderr")
        and event.get("role") != "user"
        for event in manager.iterate_events(session["session_id"])
    )
