"""Printing: answers to stdout and notes to stderr, without terminal control characters.

Names, results and errors come from agents and from other people's programs. Printed text therefore
contains neither control sequences nor characters that change the direction of text. The output of
`--json` contains them, escaped.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, ParamSpec, TextIO

import click

from ...machine.time_zone import to_local

P = ParamSpec("P")

# C0 except tab and line feed, DEL, C1, surrogates, and marks that override text direction.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BYTE = re.compile("[\udc80-\udcff]")
# Characters that are invisible or look like a blank: default ignorables of Unicode, and fillers.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
_LAST_ASCII = 0x7F
# An escape sequence is removed as a whole, so that no part of it stays as text. A sequence without
# an end hides nothing.
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x1b\\|\x07)|[ -/]*[0-~])"
)


def clean(text: str) -> str:
    """Return the text without terminal control characters.

    A carriage return becomes a line break: what it would overwrite must not be hidden or joined. A
    byte of a path that is not UTF-8 becomes an escape: without it, the path would be another one.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", _BYTE.sub(_escape_byte, _SEQUENCE.sub("", text)))


def _escape_byte(byte: re.Match[str]) -> str:
    return f"\\x{ord(byte[0]) - 0xDC00:02x}"


def one_line(text: str) -> str:
    """Return the text as part of a line; mark invisible characters, so that names differ."""
    return " ".join(_INVISIBLE.sub(_mark, clean(text)).split())


def exact_line(text: str) -> str:
    r"""Return a line with all its blanks, and every character that is not visible as an escape.

    A person decides on such a text, so nothing of it is left out.
    """
    return _INVISIBLE.sub(_mark, _UNPRINTABLE.sub(_escape, text)).replace("\n", "\\n")


def _escape(unprintable: re.Match[str]) -> str:
    return f"\\x{ord(unprintable[0]):02x}"


def _mark(invisible: re.Match[str]) -> str:
    r"""Write a character as `\u200b`, unless it joins non-ASCII characters, as in emoji."""
    character, at, text = invisible[0], invisible.start(), invisible.string
    is_joining = character in _JOINERS and at > 0 and ord(text[at - 1]) > _LAST_ASCII
    if is_joining and text[at - 1] not in _JOINERS and not _INVISIBLE.match(text, at - 1):
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def answer(text: str) -> None:
    """Print an answer and end its last line; print nothing if the answer is empty."""
    if text:
        click.echo(clean(text), nl=not text.endswith("\n"))


def answer_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def answer_session(session: dict[str, Any], *, as_json: bool) -> None:
    """Print a session whose run continues after this command."""
    if as_json:
        answer_json(session)
    else:
        answer(session["session_id"])


def note(text: str) -> None:
    """Print a message to stderr, after the name of the command."""
    program = click.get_current_context().info_name
    try:
        click.echo(one_line(f"{program}: {text}"), err=True)
    except OSError:  # the terminal is closed
        discard(sys.stderr)


def tell(text: str) -> None:
    """Print one indented line of details for a question."""
    click.echo(f"  {one_line(text)}", err=True)


def tell_outage(error: Exception) -> None:
    note(f"the manager cannot be reached, the run continues: {error}")


def tell_waiting(error: Exception) -> None:
    note(f"the manager cannot be reached, waiting for it: {error}")


def once(tell: Callable[P, None]) -> Callable[P, None]:
    """Return a function that calls `tell` the first time only."""
    is_told = False

    def tell_first(*arguments: P.args, **fields: P.kwargs) -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            tell(*arguments, **fields)

    return tell_first


def discard(stream: TextIO) -> None:
    """Redirect a stream to the null device; otherwise Python retries the write at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def local_parts(moment: str, zone: tzinfo | None = None) -> tuple[str, str, str]:
    """Return date, UTC offset and time of day of a moment in a zone; None is the local zone."""
    given = datetime.fromisoformat(moment)
    local = to_local(given) if zone is None else given.astimezone(zone)
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d}", f"UTC{offset[:3]}:{offset[3:5]}", f"{local:%H:%M:%S}"


def local_time(moment: str) -> str:
    """Return a moment in local time, with its UTC offset."""
    date, offset, time = local_parts(moment)
    return f"{date} {time} {offset}"


def short_id(session_id: str) -> str:
    """Return the beginning of an id. With it, commands that only read find the session."""
    return session_id[:8]


def ago(moment: str | None, *, now: datetime | None = None) -> str:
    """Return the time since a moment in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`."""
    if moment is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
