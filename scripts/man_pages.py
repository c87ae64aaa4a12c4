"""Manual pages of the commands, from the texts of `--help`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from inspect import cleandoc
from textwrap import dedent

import click

from agent_orchestrator import __version__
from agent_orchestrator.console.command import EXIT_CODES
from agent_orchestrator.console.command_table import GROUPS

_LINES = {f"ao-{name}": line for group in GROUPS.values() for name, line in group.items()}
_ALL = "run a command, or list the commands of Agent Orchestrator"


def man_page(name: str, command: click.Command) -> str:
    """Return the manual page of a command in the language of man."""
    context = click.Context(command, info_name=name, **command.context_settings)
    usage = " ".join(command.collect_usage_pieces(context))
    epilog = (command.epilog or "").replace(EXIT_CODES, "")
    parts = (
        f'.TH {name.upper()} 1 "" "Agent Orchestrator {__version__}" "User Commands"',
        f".SH NAME\n{_plain(name)} \\- {_plain(_LINES.get(name, _ALL))}",
        f".SH SYNOPSIS\n.B {_plain(name)}\n{_plain(usage)}",
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
        *_groups(name),
        ".SH OPTIONS",
        *_options(command, context),
        ".SH EXAMPLES",
        *_paragraphs(epilog.replace("Examples:\n", "")),
        f".SH EXIT STATUS\n{_text(EXIT_CODES.removeprefix('Exit codes: '))}",
        f".SH SEE ALSO\n{_see_also(name)}",
    )
    return "\n".join(part for part in parts if part) + "\n"


def man_pages(commands: Mapping[str, click.Command]) -> dict[str, str]:
    """Return the manual pages of commands by the names of their files."""
    return {f"{name}.1": man_page(name, command) for name, command in commands.items()}


def _groups(name: str) -> Iterator[str]:
    """Yield the list of all commands, on the page of `ao`."""
    for title, commands in GROUPS.items() if name == "ao" else ():
        yield f".SS {_plain(title)}"
        for each, line in commands.items():
            yield f".TP\n.B {_plain(each)}\n{_plain(line)}"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if record is not None and isinstance(option, click.Option):
            yield f".TP\n.B {_plain(record[0])}\n{_text(record[1])}"


def _see_also(name: str) -> str:
    return ".BR ao (1)" if name != "ao" else ", ".join(f"\\fB{_plain(n)}\\fR(1)" for n in _LINES)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs; those that are not to be wrapped stay line by line."""
    for paragraph in cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = dedent(paragraph.removeprefix("\b\n")).splitlines()
            yield "\n".join((".PP\n.nf", *(_plain(line) for line in lines), ".fi"))
        elif paragraph.strip():
            yield f".PP\n{_text(paragraph)}"


def _text(text: str) -> str:
    """Return a paragraph on one line, with code in bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", _plain(" ".join(text.split())))


def _plain(text: str) -> str:
    """Return a line that man prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    ascii_only = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    return f"\\&{ascii_only}" if ascii_only.startswith((".", "'")) else ascii_only
