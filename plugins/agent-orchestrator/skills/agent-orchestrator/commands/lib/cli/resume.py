"""`ao-resume`: continue a session with its next run."""

from __future__ import annotations

import click

from ..client.manager import Json
from ..console.command import CHANGES, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.runs.answer import answer_run
from ..console.runs.interrupts import hold_interrupts
from ..console.runs.options import (
    RunOptions,
    ask_option,
    model_option,
    permission_option,
    program_argument,
    refuse_notify,
    run_options,
)
from ..console.runs.prompt import prompt_option, read_prompt
from ..console.terminal.output import local_time
from ..machine.environment import parent_session_id
from ..sessions.resolve import by_hand, checked_name, is_by_hand, refuse_own, resolve
from ..sessions.starts.next_run import Given, find_continuation, plan_next
from ..sessions.starts.plan import check, refuse_doubtful
from ..sessions.starts.resume import INSTEAD, resume_session
from ..sessions.starts.start import NewRun, SessionRunningError, start_session

EXAMPLES = """\
  ao-resume fix-login -p 'Now the logout test.'
  ao-resume 3f2a -p 'Continue.' --model opus
  ao-resume count -p 'three four'
  ao-resume fix-login --fork fix-logout -p 'Now the logout test.'"""


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("session")
@program_argument
@prompt_option
@click.option(
    "--agent",
    "agent_name",
    metavar="AGENT",
    help="Agent definition to use; '' uses none. Default: that of the last run.",
)
@model_option("that of the last run")
@permission_option("that of the last run, if you started it on this machine")
@ask_option("that of the last run, if you started it on this machine")
@click.option(
    "--takeover",
    is_flag=True,
    help="First stop the run of SESSION that is open. If it has not ended after 15 seconds, it is "
    "recorded as `lost`, as is a run in which a person works.",
)
@click.option(
    "--fork",
    metavar="NAME",
    help="Start a new session NAME with the conversation so far. SESSION stays as it is, and may "
    "be running.",
)
@run_options
def main(
    session: str,
    program: tuple[str, ...],
    prompt: tuple[str, ...],
    agent_name: str | None,
    model: str | None,
    permission_mode: str | None,
    ask: str | None,
    takeover: bool,
    fork: str | None,
    options: RunOptions,
) -> None:
    """Continue SESSION with its next run, follow it, and print the agent's answer.

    Claude Code continues the same conversation. A program is started again and remembers nothing.

    The next run has the executor, agent, directory, model, permission mode, `--ask` and program of
    the last one. If you did not start that run on this machine, or if the session was changed
    since, the command ends with 2 and prints what it would run and which options to give:
    `--project-dir`, the agent and the program. Then also give the model and the permission mode
    again. An agent definition that was changed since the last run needs `--agent AGENT`. Limits are
    those of one run: give `--timeout`, `--max-cost` and `--max-turns` again.

    If sessions that its agent has started with `--notify` have ended since, the prompt begins with
    the notices that the agent does not have yet.

    A session that is running is refused with 1: wait for it, or give `--takeover` or `--fork NAME`.
    A session that a person has open in Claude Code is refused, too. `--takeover` does not stop that
    program: end it first, or both write to one conversation.
    Ctrl-C and the end of this command act on the run as with `ao-new`.
    """
    config = configure(options.project_dir, agents_dir=options.agents_dir)
    text = read_prompt(prompt)
    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=False)
        refuse_own(manager, found)
        if options.notify:
            refuse_notify(parent_session_id() if fork else found["parent_session_id"])
        given = Given(
            project_dir=None if options.project_dir is None else config.project_dir,
            agents_dir=options.agents_dir,
            agent=agent_name,
            program=program,
            model=model,
            permission_mode=permission_mode,
            ask=ask,
        )
        spec = options.applied_to(plan_next(manager, found, given))
        check(spec, text)
        refuse_doubtful(spec, is_named=options.project_dir is not None)
        new = NewRun(
            prompt=text,
            spec=spec,
            continues=find_continuation(manager, found, spec.executor, is_fork=fork is not None),
            timeout_seconds=options.timeout,
            notify=options.notify,
        )
        if fork is None:
            try:
                run = resume_session(
                    manager, found, new, takeover=takeover, before_start=hold_interrupts
                )
            except SessionRunningError as exc:
                raise CommandError(_is_running(exc.session)) from exc
        else:
            name = checked_name(fork)
            hold_interrupts()
            run = start_session(manager, name, new)
        answer_run(manager, run, options)


def _is_running(session: Json) -> str:
    if is_by_hand(session):
        return f"{by_hand(session)}: {INSTEAD}"
    where = f" on {session['host']}" if session["host"] else ""
    since = local_time(session["started_at"])
    return (
        f"session {session['session_name']!r} is running{where} since {since}: "
        "wait for it with ao-wait, stop it with ao-stop, continue it as another "
        "session with --fork NAME, or add --takeover"
    )
