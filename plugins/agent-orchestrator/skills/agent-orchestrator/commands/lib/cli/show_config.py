"""`ao-show-config`: print the configuration that applies here."""

from __future__ import annotations

import click

from ..console.command import Command, configure
from ..console.options import agents_option, json_option, project_option
from ..console.terminal.output import answer, answer_json, one_line
from ..machine.environment import state_dir

EXAMPLES = """\
  ao-show-config
  ao-show-config --json | jq -r .project_dir"""


@click.command(cls=Command, examples=EXAMPLES)
@project_option
@click.option(
    "--sessions-dir",
    metavar="DIR",
    help="Part of the configuration contract; no command writes there. Default: "
    "$AGENT_ORCHESTRATOR_SESSIONS_DIR, else PROJECT/.agent-orchestrator/agent-sessions.",
)
@agents_option
@json_option("Print the configuration as JSON.")
def main(
    project_dir: str | None, sessions_dir: str | None, agents_dir: str | None, as_json: bool
) -> None:
    """Print the configuration that commands use here.

    The command needs no manager and creates nothing.
    """
    config = configure(project_dir, agents_dir=agents_dir, sessions_dir=sessions_dir)
    shown = {
        "project_dir": str(config.project_dir),
        "sessions_dir": str(config.sessions_dir),
        "agents_dir": str(config.agents_dir),
        "enable_logging": config.enable_logging,
        "session_manager_url": config.session_manager_url,
        "state_dir": str(state_dir()),
    }
    if as_json:
        answer_json(shown)
    else:
        width = max(map(len, shown))
        for name, value in shown.items():
            answer(f"{name.ljust(width)}  {one_line(str(value))}")
