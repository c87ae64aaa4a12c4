"""`ao-new`: start a named session."""

from __future__ import annotations

import click

from ..console.command import Command, configure
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
from ..executors.base import RunSpec
from ..machine.environment import parent_session_id
from ..runs.executor_table import DEFAULT_EXECUTOR
from ..sessions.resolve import checked_name
from ..sessions.starts.plan import check, executor_of, load_agent, refuse_doubtful, usual_ask
from ..sessions.starts.start import NewRun, start_session

EXAMPLES = """\
  ao-new fix-login -p 'Fix the login test.'
  git diff | ao-new review -p 'Review this.' -p - --agent reviewer
  ao-new port -p 'Port the parser.' --detach --timeout 3600 && ao-wait port
  ao-new parser -p 'Port the parser.' --executor codex
  ao-new tests -p 'Fix the tests.' --executor opencode
  ao-new port -p 'Port it.' --executor acp -- goose acp
  ao-new tests -p 'Write the tests.' --detach --notify
  ao-new count --executor command -p 'one two' -- wc -w"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("name")
@program_argument
@prompt_option
@click.option(
    "--agent",
    "agent_name",
    metavar="AGENT",
    help="Agent definition to use; `ao-list-agents` lists them. Default: none.",
)
@click.option(
    "--executor",
    metavar="EXECUTOR",
    help="Run Claude Code (`claude`), Codex (`codex`), PROGRAM (`command`), PROGRAM as an agent of "
    "the Agent Client Protocol (`acp`), or a preset of it: copilot, opencode, vibe, kimi, qwen, "
    "gemini, or one of your own. Default: that of the agent definition, else claude.",
)
@model_option("that of the agent definition, else the agent's own")
@permission_option("that of the agent definition, else acceptEdits")
@ask_option("$AGENT_ORCHESTRATOR_ASK, else deny")
@run_options
def main(
    name: str,
    program: tuple[str, ...],
    prompt: tuple[str, ...],
    agent_name: str | None,
    executor: str | None,
    model: str | None,
    permission_mode: str | None,
    ask: str | None,
    options: RunOptions,
) -> None:
    """Start a session named NAME, follow it to its end, and print the agent's answer.

    A name has 1 to 200 characters. It is unique in its project among the sessions that are not
    archived. The session is recorded before the agent starts, so an agent that cannot start leaves
    a `failed` session with the reason.

    The run continues if this command is killed or its terminal is closed: `ao-wait` and `ao-stop`
    find it. Ctrl-C stops the run and waits for its end; a second Ctrl-C ends only the waiting. If
    stderr is a terminal, it shows the agent's current activity, and at the end the time, the cost,
    the number of changed files and the next commands, as far as they are known.

    With `--executor command` PROGRAM is the agent. It reads the prompt, which may be empty, from
    stdin. Its stdout is the answer, and an exit code other than 0 is a failure. `ao-logs --follow`
    shows its output while it runs. Up to 16 MiB each of stdout and stderr are kept, also if the run
    is stopped; of more, the beginning and the end. PROGRAM runs in the project's directory, and a
    relative path of PROGRAM refers to that directory.

    With `--notify`, the agent that calls this command need not wait. It gets a message when the
    session has ended, together with others that end within a few seconds. If its own run has ended
    well by then, its session continues in a run with this message as its prompt. If its run failed
    or was stopped, the message comes with the next `ao-resume`.

    Exit code 1 if the agent failed or was stopped, or if the name is taken; 2 if an agent has no
    prompt, or if there is no agent definition of this name.
    """
    checked_name(name)
    if options.notify:
        refuse_notify(parent_session_id())
    config = configure(options.project_dir, agents_dir=options.agents_dir)
    agent = load_agent(agent_name, config)
    executor = executor or (agent and agent.executor) or DEFAULT_EXECUTOR
    spec = options.applied_to(
        RunSpec(
            executor=executor,
            project_dir=config.project_dir,
            agent=agent,
            model=model,
            permission_mode=permission_mode,
            command=program or (agent.command if agent else ()),
            ask=ask or usual_ask(executor_of(executor)),
        )
    )
    text = read_prompt(prompt)
    check(spec, text)
    refuse_doubtful(spec, is_named=options.project_dir is not None)
    with open_manager(config) as manager:
        hold_interrupts()
        new = NewRun(prompt=text, spec=spec, timeout_seconds=options.timeout, notify=options.notify)
        answer_run(manager, start_session(manager, name, new), options)
