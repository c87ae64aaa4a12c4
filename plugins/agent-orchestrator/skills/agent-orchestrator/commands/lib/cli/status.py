"""`ao-status`: whether a session runs."""

from __future__ import annotations

import sys

import click

from ..console.command import NOT_FOUND, Command, configure, json_option, project_option
from ..console.connect import open_manager
from ..console.output import answer, answer_json
from ..session_client import SessionNotFoundError
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-status fix-login
  ao-status fix-login --json
  until [ "$(ao-status fix-login)" = finished ]; do sleep 1; done"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("session")
@project_option
@json_option
def main(session: str, project_dir: str | None, as_json: bool) -> None:
    """Print `running`, `finished` or, with exit code 3, `not_existent`."""
    config = configure(project_dir, must_exist=False)
    with open_manager(config) as manager:
        try:
            found = resolve(manager, session, config, reach=True)
        except SessionNotFoundError:
            found = {"status": "not_existent"}
    if as_json:
        answer_json(found)
    else:
        answer(found["status"])
    if found["status"] == "not_existent":
        sys.exit(NOT_FOUND)
