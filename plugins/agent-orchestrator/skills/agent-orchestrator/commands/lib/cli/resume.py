"""`ao-resume`: continue a session with another run."""

from __future__ import annotations

import sys
from dataclasses import replace

import click

from ..client.manager import Json
from ..console.command import (
    Command,
    CommandError,
    agents_option,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.output import answer_session, local_time
from ..console.prompt import prompt_option, read_prompt
from ..console.run_options import (
    detach_option,
    model_option,
    no_transcripts_option,
    permission_option,
    program_argument,
    timeout_option,
)
from ..console.watch import hold_interrupts, watch
from ..sessions.next_run import Given, find_continuation, make_room, plan_next
from ..sessions.plan import check, refuse_doubtful
from ..sessions.resolve import checked_name, resolve
from ..sessions.start import NewRun, SessionRunningError, start_next_run, start_session

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
            project_dir=None if project_dir is None else config.project_dir,
            agents_dir=agents_dir,
            agent=agent_name,
            program=program,
            model=model,
            permission_mode=permission_mode,
        )
        spec = plan_next(manager, found, given)
        spec = replace(spec, transcripts=spec.transcripts and not no_transcripts)
        check(spec, text)
        refuse_doubtful(spec, is_named=project_dir is not None)
        new = NewRun(
            prompt=text,
            spec=spec,
            continues=find_continuation(manager, found, is_fork=fork is not None),
            timeout_seconds=timeout,
        )
        if fork is None:
            make_room(manager, found, takeover=takeover)
            hold_interrupts()
            try:
                run = start_next_run(manager, found, new, takeover=takeover)
            except SessionRunningError as exc:
                raise CommandError(_is_running(exc.session)) from exc
        else:
            name = checked_name(fork)
            hold_interrupts()
            run = start_session(manager, name, new)
        if detach:
            answer_session(run, as_json=as_json)
        else:
            sys.exit(watch(manager, run, as_json=as_json))


def _is_running(session: Json) -> str:
    where = f" on {session['host']}" if session["host"] else ""
    since = local_time(session["started_at"])
    return (
        f"session {session['session_name']!r} is running{where} since {since}: "
        "wait for it with ao-wait, stop it with ao-stop, continue it as another "
        "session with --fork NAME, or add --takeover"
    )
