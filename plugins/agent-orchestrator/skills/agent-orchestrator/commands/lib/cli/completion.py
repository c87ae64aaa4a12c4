"""`ao-completion`: completion of commands, options and names in a shell."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ..client.connection.connect import client_of
from ..client.connection.find_manager import find_manager
from ..config import Config
from ..console.command import USAGE, Command, CommandError, configure
from ..console.connect import url_of
from ..console.options import project_option
from ..console.terminal.output import one_line
from ..machine.environment import VariableError, is_manager_given
from ..session_client import SessionClientError

EXAMPLES = """\
  source <(ao-completion bash)
  ao-completion zsh > ~/.zfunc/_ao
  ao-completion fish > ~/.config/fish/completions/ao.fish"""

MAX_NAMES = 500
TIMEOUT_SECONDS = 1.0


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("shell", required=False, type=click.Choice(("bash", "fish", "zsh")))
@click.option(
    "--list",
    "listed",
    type=click.Choice(("sessions", "agents")),
    help="Print names of this project instead, as the scripts do for the Tab key.",
)
@project_option
def main(shell: str | None, listed: str | None, project_dir: str | None) -> None:
    """Print the script that completes the commands in a shell: bash, zsh or fish.

    The script has all commands and options in it: make it again after an upgrade. Names of sessions
    are those of this project, and come from the manager if it is running.
    """
    if (shell is None) == (listed is None):
        raise CommandError("give bash, zsh or fish, or else --list", USAGE)
    if shell is not None:
        from ..console.completion import script_of

        click.echo(script_of(shell), nl=False)
        return
    try:
        config = configure(project_dir, must_exist=False)
        for name in _agents(config) if listed == "agents" else _sessions(config):
            if name == one_line(name):  # others cannot be typed
                click.echo(name)
    except (CommandError, SessionClientError, VariableError):
        return  # a message would disturb the line that the person types


def _sessions(config: Config) -> Iterator[str]:
    """Yield the names of the project's sessions, the last active first."""
    found = None if is_manager_given() else find_manager()
    if found is None and not is_manager_given():
        return
    with client_of(url_of(found, config), timeout_seconds=TIMEOUT_SECONDS) as manager:
        where = {"project_dir": str(config.project_dir), "archived": "false", "sort": "activity"}
        for session in manager.find_sessions(limit=MAX_NAMES, **where):
            yield session["session_name"]


def _agents(config: Config) -> Iterator[str]:
    from ..agents.find import list_agents
    from ..machine.environment import claude_dir

    listing = list_agents(
        agents_dir=config.agents_dir, project_dir=config.project_dir, claude_dir=claude_dir()
    )
    return (agent.name for agent in listing.agents)
