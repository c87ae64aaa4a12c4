"""`ao-mcp`: serve the tools for agents over stdio."""

from __future__ import annotations

import asyncio
import logging
import sys

import click

from ..console.command import Command, configure
from ..console.connect import open_manager
from ..console.options import project_option

EXAMPLES = """\
  claude mcp add agent-orchestrator -- ao-mcp
  codex mcp add agent-orchestrator -- ao-mcp
  ao-mcp --project-dir ~/src/app"""


@click.command(cls=Command, examples=EXAMPLES)
@project_option
def main(project_dir: str | None) -> None:
    """Serve the tools for agents on stdin and stdout, for your own Claude Code, Codex or editor.

    A client of the Model Context Protocol starts this command and calls its tools: start sessions,
    wait for them, read their results and events, and message, resume and stop them.

    Outside of a run the tools act as you: they see all sessions, and start sessions in the project
    as `ao-new` does. Inside a run they have the rights of its agent, and see only its own session
    and those below it. The agents of runs get the tools without this command.

    The command ends when the client closes its stdin. Sessions continue.
    """
    config = configure(project_dir)
    with open_manager(config) as manager:
        from ..mcp.bridge import Bridge  # late: the other uses of this module are its help
        from ..mcp.messages import Lines
        from ..mcp.own_starts import OwnStarts
        from ..mcp.upstream import Upstream

        logging.getLogger("httpx").setLevel(logging.WARNING)
        own_starts = None if manager.is_of_a_run else OwnStarts(manager, config.project_dir)
        lines = Lines(sys.stdin.buffer, sys.stdout.buffer)
        asyncio.run(Bridge(lines, Upstream(manager), own_starts).serve())


if __name__ == "__main__":  # for agents that take no server over HTTP
    main()
