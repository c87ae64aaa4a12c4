"""`ao`: the one name of all commands."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module

import click

from ..console.command import DONE, USAGE, Command, CommandError
from ..console.command_table import GROUPS, NAMES, module_of

EXAMPLES = """\
  ao new fix-login -p 'Fix the login test.'
  ao logs fix-login --follow"""


_WIDTH = max(map(len, NAMES))


class Root(Command):
    """The command with the list of all other commands in its help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(_WIDTH), line) for name, line in commands.items()])
        super().format_options(ctx, formatter)


@click.command(cls=Root, examples=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("command", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="...")
@click.pass_context
def main(ctx: click.Context, command: str | None, arguments: tuple[str, ...]) -> None:
    """Run a command: `ao logs` is `ao-logs`.

    `ao help COMMAND` shows the options and examples of a command. The manager, which records
    sessions, has a program of its own: `agent-session-manager`.
    """
    given = [*arguments]
    if command == "help" and given:
        command, given = given[0], ["--help"]
    if command in (None, "help"):
        click.echo(ctx.get_help())
        sys.exit(DONE)
    name = command.removeprefix("ao-")
    if name not in NAMES:
        raise CommandError(f"no command {command!r}{_meant(name)} See ao help.", USAGE)
    called: click.Command = import_module(f".{module_of(name)}", __package__).main
    called.main(given, prog_name=f"ao-{name}")


def _meant(name: str) -> str:
    """Return a question with the commands that look like `name`, or a full stop."""
    begun = [each for each in NAMES if name and name in each]
    near = begun or get_close_matches(name, NAMES, n=2, cutoff=0.65)
    return f"; did you mean {' or '.join(near[:3])}?" if near else "."
