"""`ao-rename`: give a session another name."""

from __future__ import annotations

import click

from ..client.errors import NAME_TAKEN
from ..console.command import Command, CommandError, configure, json_option, project_option
from ..console.connect import open_manager
from ..console.output import answer, answer_json, one_line
from ..session_client import SessionClientError
from ..sessions.resolve import checked_name, resolve

EXAMPLES = """\
  ao-rename fix-login fix-login-and-logout"""


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("session")
@click.argument("name")
@project_option
@json_option
def main(session: str, name: str, project_dir: str | None, as_json: bool) -> None:
    """Give SESSION the name NAME, which no other of the project may have."""
    checked_name(name)
    config = configure(project_dir, must_exist=False)
    with open_manager(config, for_people=True) as manager:
        found = resolve(manager, session, config, reach=False)
        try:
            renamed = manager.update_session(found["session_id"], session_name=name)
        except SessionClientError as exc:
            if exc.code != NAME_TAKEN:
                raise
            raise CommandError(f"another session of this project is named {name!r}") from exc
    if as_json:
        answer_json(renamed)
    else:
        answer(one_line(f"{found['session_name']} is now {renamed['session_name']}"))
