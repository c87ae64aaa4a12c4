"""`ao-list-agents`: list agent definitions."""

from __future__ import annotations

import sys

import click

from ..agents.agent import Agent
from ..agents.find import list_agents
from ..console.command import Command, configure
from ..console.options import agents_option, json_option, project_option
from ..console.tables.agents import lines
from ..console.terminal.output import answer_json, note
from ..console.terminal.screen import screen_of
from ..machine.environment import claude_dir
from ..runs.executor_table import DEFAULT_EXECUTOR

EXAMPLES = """\
  ao-list-agents
  ao-list-agents --json | jq -r '.[].name'"""


@click.command(cls=Command, examples=EXAMPLES)
@project_option
@agents_option
@json_option("Print a JSON list of the definitions.")
def main(project_dir: str | None, agents_dir: str | None, as_json: bool) -> None:
    """List the agent definitions of this project and of your home directory.

    A definition that cannot be used is reported on stderr with the reason. The command needs no
    manager.
    """
    config = configure(project_dir, agents_dir=agents_dir)
    listing = list_agents(
        agents_dir=config.agents_dir, project_dir=config.project_dir, claude_dir=claude_dir()
    )
    for error in listing.errors:
        note(str(error))
    if as_json:
        answer_json([_to_json(agent) for agent in listing.agents])
    elif listing.agents:
        for line in lines(listing.agents, screen_of()):
            click.echo(line)
    elif sys.stderr.isatty():
        note(f"no agents; define one in {config.project_dir / '.claude' / 'agents'}")


def _to_json(agent: Agent) -> dict[str, object]:
    return {
        "name": agent.name,
        "description": agent.description,
        "executor": agent.executor or DEFAULT_EXECUTOR,
        "model": agent.model,
        "tools": None if agent.tools is None else list(agent.tools),
        "permission_mode": agent.permission_mode,
        "source": str(agent.source),
    }
