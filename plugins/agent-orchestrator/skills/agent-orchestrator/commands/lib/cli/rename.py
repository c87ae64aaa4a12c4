"""`ao-rename`: rename a session."""

from __future__ import annotations

import click

from ..client.errors import NAME_TAKEN
from ..console.command import CHANGES, Command, configure
from ..console.connect import open_manager
from ..console.options import json_option, project_option
from ..console.terminal.output import answer, answer_json, one_line
from ..session_client import SessionClientError
from ..sessions.errors import name_taken_at_rename
from ..sessions.resolve import checked_name, resolve

EXAMPLES = """\
  ao-rename fix-login fix-login-and-logout"""


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("session")
@click.argument("name")
@project_option
@json_option("Print the session as JSON.")
def main(session: str, name: str, project_dir: str | None, as_json: bool) -> None:
    """Rename SESSION to NAME, also while it is running.

    Exit code 1 if another session of its project has this name.
    """
    checked_name(name)
    config = configure(project_dir, must_exist=False)
    with open_manager(config, for_people=True) as manager:
        found = resolve(manager, session, config, reach=False)
        try:
            renamed = manager.update_session(found["session_id"], session_name=name)
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise name_taken_at_rename(name) from exc
    if as_json:
        answer_json(renamed)
    else:
        answer(one_line(f"{found['session_name']} is now {renamed['session_name']}"))
