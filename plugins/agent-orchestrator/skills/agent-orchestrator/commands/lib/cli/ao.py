"""`ao`: the one name of all commands."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module

import click

from ..console.command import DONE, USAGE, Command, CommandError, configure
from ..console.command_table import GROUPS, NAMES, module_of
from ..machine.environment import is_terminal_dumb, parent_session_id

EXAMPLES = """\
  ao
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
    """Run a command: `ao logs` is `ao-logs`. Alone on a terminal, open the board.

    The board shows the sessions that need you, that run, and that are done, of all projects and
    live. Its last line has its keys, and `?` shows all of them. Into a file or a pipe, with
    `TERM=dumb`, and inside a run, `ao` prints this help instead.

    `ao help COMMAND` shows the options and examples of a command. The manager, which records
    sessions, has a program of its own: `agent-session-manager`.
    """
    given = [*arguments]
    if command == "help" and given:
        command, given = given[0], ["--help"]
    if command is None and _has_terminal():
        _show_board()
        sys.exit(DONE)
    if command in (None, "help"):
        click.echo(ctx.get_help())
        sys.exit(DONE)
    name = command.removeprefix("ao-")
    if name not in NAMES:
        raise CommandError(f"no command {command!r}{_meant(name)} See ao help.", USAGE)
    called: click.Command = import_module(f".{module_of(name)}", __package__).main
    called.main(given, prog_name=f"ao-{name}")


def _has_terminal() -> bool:
    """Return whether a person can use the board here."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return is_terminal and not is_terminal_dumb() and parent_session_id() is None


def _show_board() -> None:
    from ..console.connect import open_manager  # late: the other commands import what they need

    with open_manager(configure(must_exist=False), for_people=True) as manager:
        url = manager.base_url
    from ..board.application import show_board

    show_board(url)


def _meant(name: str) -> str:
    """Return a question with the commands that look like `name`, or a full stop."""
    begun = [each for each in NAMES if name and name in each]
    near = begun or get_close_matches(name, NAMES, n=2, cutoff=0.65)
    return f"; did you mean {' or '.join(near[:3])}?" if near else "."
