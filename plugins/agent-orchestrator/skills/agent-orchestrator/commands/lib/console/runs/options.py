"""Options with which `ao-new` and `ao-resume` describe a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Any

import click

from ...executors.base import RunSpec
from ...executors.permission_modes import PERMISSION_MODES
from ..command import USAGE, CommandError
from ..options import (
    Amount,
    AskPolicy,
    Decorator,
    Seconds,
    WholeNumber,
    agents_option,
    json_option,
    project_option,
)


def model_option(default: str) -> Decorator:
    return click.option("--model", metavar="MODEL", help=f"Model. Default: {default}.")


def permission_option(default: str) -> Decorator:
    modes = f"{', '.join(PERMISSION_MODES[:-1])} or {PERMISSION_MODES[-1]}"
    return click.option(
        "--permission-mode",
        type=click.Choice(PERMISSION_MODES),
        metavar="MODE",
        help=f"Actions that the agent may take without asking: {modes}. Others are denied. "
        f"Default: {default}.",
    )


def ask_option(default: str) -> Decorator:
    return click.option(
        "--ask",
        type=AskPolicy(),
        metavar="POLICY",
        help="What happens when the agent asks for a permission, or asks you a question: `deny` "
        "denies at once; `forever`, or a time such as `90s`, `10m`, `2h` or `1d`, lets the agent "
        f"wait for your answer. The time counts for `--timeout`. Default: {default}.",
    )


program_argument = click.argument(
    "program", nargs=-1, type=click.UNPROCESSED, metavar="[-- PROGRAM ARG...]"
)
_SHARED = (
    click.option(
        "--timeout",
        type=Seconds(min=0.001),
        metavar="S",
        help="Stop the run after S seconds, with the reason `timeout`. Default: no limit.",
    ),
    click.option(
        "--max-cost",
        type=Amount(min=0.0001, max=1_000_000),
        metavar="USD",
        help="Stop Claude Code once this run has cost more than USD dollars by its own count, with "
        "the reason `budget`. Default: no limit.",
    ),
    click.option(
        "--max-turns",
        type=WholeNumber(min=1, max=1_000_000),
        metavar="N",
        help="Stop Claude Code after N turns of this run by its own count, if it has not finished, "
        "with the reason `budget`. A turn is one answer of the model, except in a "
        "subagent. Default: no limit.",
    ),
    click.option(
        "--no-transcripts",
        is_flag=True,
        help="Do not keep the agent's transcript of this and later runs in the manager. They can "
        "be resumed on this machine only.",
    ),
    click.option(
        "--no-mcp",
        is_flag=True,
        help="Do not give the agent the tools with which it starts and leads other sessions, in "
        "this and later runs.",
    ),
    click.option(
        "--notify",
        is_flag=True,
        help="Tell the agent that has started the session when the run ends: in its running turn, "
        "or by its next run. Only for a session that an agent has started.",
    ),
    click.option(
        "-d",
        "--detach",
        is_flag=True,
        help="Print the session's id and return as soon as the run has a supervisor.",
    ),
    project_option,
    agents_option,
    json_option(
        "Print the session as JSON, with its `result` and `error` unless `--detach` is given."
    ),
)


def refuse_notify(parent: str | None) -> None:
    """Refuse `--notify` for a session that no agent has started; `parent` is the agent's session.

    Raises:
        CommandError: the session has no parent.
    """
    if parent is None:
        raise CommandError(
            "--notify tells the agent that has started the session, and no agent has: leave it "
            "out, and wait with ao-wait",
            USAGE,
        )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The values of the options that are the same for both commands."""

    timeout: float | None
    max_cost: float | None
    max_turns: int | None
    no_transcripts: bool
    no_mcp: bool
    notify: bool
    detach: bool
    project_dir: str | None
    agents_dir: str | None
    as_json: bool

    def applied_to(self, spec: RunSpec) -> RunSpec:
        """Return the spec with the limits of this run, and without the parts that are refused."""
        return replace(
            spec,
            transcripts=spec.transcripts and not self.no_transcripts,
            mcp=spec.mcp and not self.no_mcp,
            max_cost=self.max_cost,
            max_turns=self.max_turns,
        )


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that are the same for both commands, in the order of the help text.

    The command gets their values as one argument, `options`.
    """
    names = [field.name for field in fields(RunOptions)]

    @wraps(command)
    def with_options(**given: Any) -> None:
        options = RunOptions(**{name: given.pop(name) for name in names})
        command(**given, options=options)

    described: Callable[..., None] = with_options
    for option in reversed(_SHARED):
        described = option(described)
    return described
