"""`ao-dashboard`: the manager's page in the person's browser.

The page gets the token for a code that is good once, and for a minute. Every user of this machine
can read the arguments of the browser's process, so the browser is started with the name of a file
that only this person can read; the manager writes it with the code in it, and removes it.
"""

from __future__ import annotations

import os
import re
import webbrowser
from contextlib import suppress
from pathlib import Path

import click

from ..client.manager import Json, ManagerClient
from ..client.start_manager import PROGRAM
from ..console.browsers import find_browser
from ..console.command import Command, CommandError, configure, json_option
from ..console.connect import open_manager
from ..console.output import answer, answer_json, note
from ..machine.environment import agent_environment, state_dir
from ..session_client import SessionNotFoundError
from ..shared.private_files import open_private

EXAMPLES = """\
  ao-dashboard
  ao-dashboard --print
  ao-dashboard --json | jq -r .url"""

_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FILE_NAME = re.compile(r"dashboard-[0-9]{1,5}-[0-9a-f]{32}\.html")


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--print", "print_only", is_flag=True, help="Only print the address to open.")
@json_option
def main(print_only: bool, as_json: bool) -> None:
    """Open the dashboard in the browser: all sessions, and what happens in them.

    Where no browser can be opened from here, its address is printed. It opens one browser, within a
    minute.
    """
    browser = None if print_only else find_browser(agent_environment())
    with open_manager(configure(must_exist=False), for_people=True) as manager:
        created = _create_code(manager, with_file=browser is not None)
        url = f"{manager.base_url}/#code={created['code']}"
    is_opened = browser is not None and _open(browser, created.get("file"))
    if as_json:
        answer_json({"url": url, "opened": is_opened})
    elif is_opened:
        answer(f"opened {manager.base_url}")
    else:
        answer(url)
    if not (print_only or is_opened):
        note("no browser can be opened from here: open this address yourself, within a minute")


def _create_code(manager: ManagerClient, *, with_file: bool) -> Json:
    body = {"file": True} if with_file else {}
    try:
        created = manager._request("POST", "/dashboard/codes", body)
    except SessionNotFoundError as exc:
        raise CommandError(
            f"the manager at {manager.base_url} has no dashboard: it is older than this command. "
            f"Restart it with: {PROGRAM} stop"
        ) from exc
    code = created.get("code")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise manager._misshapen("POST", "/dashboard/codes")
    return created


def _open(browser: webbrowser.BaseBrowser, name: object) -> bool:
    """Open the file of that name; False where it is not here, as with a manager elsewhere."""
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        return False
    path = state_dir() / name
    try:
        os.close(open_private(path, create=False))
    except OSError:
        return False
    with suppress(webbrowser.Error):
        return browser.open(Path(path).as_uri(), new=2)
    return False
