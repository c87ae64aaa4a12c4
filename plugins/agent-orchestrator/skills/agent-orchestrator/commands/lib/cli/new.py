"""`ao-new`: start a session under a name."""

from __future__ import annotations

import sys

import click

from ..console.command import (
    Command,
    agents_option,
    configure,
    json_option,
    project_option,
)
from ..console.connect import open_manager
from ..console.prompt import prompt_option, read_prompt
from ..console.running import (
    Plan,
    check,
    detach_option,
    load_agent,
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
from ..console.sessions import checked_name
from ..runs.executor_table import EXECUTORS

EXAMPLES = """\
  ao-new fix-login -p 'Fix the login test.'
  git diff | ao-new review -p 'Review this.' -p - --agent reviewer
  ao-new long-one -p 'Port the parser.' --detach && ao-wait long-one
  ao-new count --executor command -p 'one two' -- wc -w"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("name")
@program_argument
@prompt_option
@click.option("--agent", "agent_name", metavar="AGENT", help="A definition; see ao-list-agents.")
@click.option(
    "--executor",
    type=click.Choice(EXECUTORS),
    help="What drives the agent. Default: the agent definition's, else claude.",
)
@model_option("the agent definition's, else Claude Code's own")
@permission_option("the agent definition's, else acceptEdits")
@timeout_option
@no_transcripts_option
@detach_option
@project_option
@agents_option
@json_option
def main(
    name: str,
    program: tuple[str, ...],
    prompt: tuple[str, ...],
    agent_name: str | None,
    executor: str | None,
    model: str | None,
    permission_mode: str | None,
    timeout: float | None,
    no_transcripts: bool,
    detach: bool,
    project_dir: str | None,
    agents_dir: str | None,
    as_json: bool,
) -> None:
    """Start a session under NAME, follow it to its end, and print the agent's answer.

    The run is not this command's: it survives the terminal, and goes on if this is killed.
    """
    checked_name(name)
    config = configure(project_dir, agents_dir=agents_dir)
    agent = load_agent(agent_name, config)
    plan = check(
        Plan(
            prompt=read_prompt(prompt),
            executor=executor or (agent and agent.executor) or "claude",
            agent=agent,
            model=model,
            permission_mode=permission_mode,
            command=program or (agent.command if agent else ()),
            timeout_seconds=timeout,
            transcripts=not no_transcripts,
        )
    )
    refuse_doubtful(plan, config.project_dir, is_named=project_dir is not None)
    with open_manager(config) as manager:
        session = start(
            manager, plan, new_session(manager, name, plan, config.project_dir), config.project_dir
        )
        if detach:
            report_started(session, as_json=as_json)
        else:
            sys.exit(watch(manager, session, as_json=as_json))
