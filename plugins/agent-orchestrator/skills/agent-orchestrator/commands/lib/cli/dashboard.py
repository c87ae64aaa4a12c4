"""`ao-dashboard`: open the manager's page in the person's browser.

The page exchanges a code for its token. A code is valid once, for one minute. Every user of this
machine can read the arguments of the browser's process. The browser is therefore started with the
name of a file that only this person can read. The manager writes the code into it, and removes it.
"""

from __future__ import annotations

import os
import re
import webbrowser
from contextlib import suppress
from pathlib import Path

import click

from ..client.find_manager import PROGRAM
from ..client.manager import Json, ManagerClient
from ..console.browsers import find_browser
from ..console.command import Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import json_option
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
@click.option("--print", "print_only", is_flag=True, help="Print the address and open no browser.")
@json_option("Print the address as JSON: `url`, and whether the browser was `opened`.")
def main(print_only: bool, as_json: bool) -> None:
    """Open the manager's page in your browser.

    The page gets its token in exchange for a code, which is valid once and for one minute. The
    manager logs each use of a code and warns of a second one. The browser is started with a private
    file that holds the code, because other users can read the arguments of a process. The manager
    removes the file when the code was used or has expired.

    If no browser can read that file, the command prints an address with the code instead: over SSH,
    under WSL, without a screen, with a browser in a sandbox (snap, flatpak), or if the manager is
    on another machine. The address is valid on the manager's machine. From another machine, log in
    with `ssh -L 8765:127.0.0.1:8765 HOST` and run the command there.
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
    """Open the file of this name. Return False if it is not here: the manager may be elsewhere."""
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
