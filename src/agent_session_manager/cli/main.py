"""`agent-session-manager`: serve, and administer a manager and its database."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from agent_session_manager import __version__
from agent_session_manager.cli.backup import accept_loss, backup, restore, verify
from agent_session_manager.cli.control import logs, rotate_token, status, stop
from agent_session_manager.cli.notify import notify
from agent_session_manager.cli.options import PROGRAM, fail
from agent_session_manager.cli.serve import serve
from agent_session_manager.cli.transfer import export_, import_
from agent_session_manager.cli.vacuum import vacuum
from agent_shared.inherited_state import begin


class _Program(click.Group):
    def main(self, *arguments: Any, **options: Any) -> Any:
        begin()
        os.umask(0o077)  # files are private to their owner
        return super().main(*arguments, **options)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _output_written():  # of --help and --version
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _output_written():
            return super().invoke(ctx)


_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that only a write has."""


@contextmanager
def _output_written() -> Iterator[None]:
    """End the program if the block fails because its output cannot be written."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as exc:
        is_of_write = exc.filename is None and exc.errno in _OF_OUTPUT
        if not (is_of_write or isinstance(exc, BrokenPipeError) or _is_unwritten()):
            raise
        # Otherwise Python writes the rest again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(exc, BrokenPipeError):  # the reader of the output has closed the pipe
            sys.exit(0)
        fail(f"the output cannot be written: {exc.strerror}")


def _is_unwritten() -> bool:
    try:
        sys.stdout.flush()
    except OSError:
        return True
    return False


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name=PROGRAM)
def main() -> None:
    """Record agent sessions in a database and serve them over HTTP.

    Every subcommand ends with 2 if an option or a setting is not valid.
    """


@click.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP API."""
    from agent_session_manager.api.app import openapi as describe

    click.echo(json.dumps(describe(), indent=2, sort_keys=True))


for command in (
    *(serve, status, stop, logs, rotate_token),
    *(backup, verify, restore, accept_loss, vacuum, export_, import_, notify, openapi),
):
    main.add_command(command)
