"""`ao-new`: start a session under a name."""

from __future__ import annotations

import sys

import click

from ..console.command import Command, agents_option, configure, json_option, project_option
from ..console.connect import open_manager
from ..console.output import answer_session
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
from ..executors.base import RunSpec
from ..runs.executor_table import EXECUTORS
from ..sessions.plan import check, load_agent, refuse_doubtful
from ..sessions.resolve import checked_name
from ..sessions.start import NewRun, start_session

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
    spec = RunSpec(
        executor=executor or (agent and agent.executor) or "claude",
        project_dir=config.project_dir,
        agent=agent,
        model=model,
        permission_mode=permission_mode,
        command=program or (agent.command if agent else ()),
        transcripts=not no_transcripts,
    )
    text = read_prompt(prompt)
    check(spec, text)
    refuse_doubtful(spec, is_named=project_dir is not None)
    with open_manager(config) as manager:
        hold_interrupts()
        new = NewRun(prompt=text, spec=spec, timeout_seconds=timeout)
        session = start_session(manager, name, new)
        if detach:
            answer_session(session, as_json=as_json)
        else:
            sys.exit(watch(manager, session, as_json=as_json))
