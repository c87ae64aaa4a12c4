"""The options by which `ao-new` and `ao-resume` say how a run is run."""

from __future__ import annotations

from collections.abc import Callable

import click

from .command import Seconds

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

PERMISSION_MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")


def model_option(default: str) -> Decorator:
    return click.option("--model", metavar="MODEL", help=f"Default: {default}.")


def permission_option(default: str) -> Decorator:
    return click.option(
        "--permission-mode",
        type=click.Choice(PERMISSION_MODES),
        help=f"What the agent may do unasked. Default: {default}.",
    )


timeout_option = click.option(
    "--timeout", type=Seconds(min=0.001), metavar="S", help="Stop the run after S seconds."
)
detach_option = click.option(
    "-d", "--detach", is_flag=True, help="Print the session's id and return; the run goes on."
)
no_transcripts_option = click.option(
    "--no-transcripts", is_flag=True, help="Keep no transcript of this run and later ones."
)
program_argument = click.argument("program", nargs=-1, type=click.UNPROCESSED)
