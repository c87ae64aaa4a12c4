"""The events of a session in the person's pager, as `ao-logs SESSION` shows them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from ..client.connection.connect import client_of
from ..console.events.look import MAX_LINES, Look
from ..console.events.session_logs import Logs
from ..console.events.text import is_detail
from ..console.terminal.pager import print_paged
from ..console.terminal.screen import screen_of
from ..sessions.part import Part
from ..sessions.resolve import Session


def page_logs(url: str, session: Session) -> None:
    """Show the events until the person leaves the pager; without a pager, until they press Enter.

    The board must have left the terminal.
    """
    screen = screen_of()
    look = Look(screen=screen, max_lines=MAX_LINES)
    logs = Logs([session], look, marked=None, as_json=False, cuts_programs=True)
    with _ctrl_c_for_the_pager(), suppress(KeyboardInterrupt), client_of(url) as manager:
        pieces = logs.read(manager, Part(), lambda event: not is_detail(event))
        if not print_paged(pieces, screen, stays=True):
            click.echo("Enter leads back to the board. ", nl=False)
            sys.stdin.readline()


@contextmanager
def _ctrl_c_for_the_pager() -> Iterator[None]:
    """Let Ctrl-C interrupt the pager or the reading, and not the board."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
