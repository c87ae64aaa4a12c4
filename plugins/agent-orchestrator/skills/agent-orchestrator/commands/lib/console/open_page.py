"""Opening the manager's page in the person's browser, at a place of it.

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
from typing import NamedTuple

from ..client.connection.find_manager import PROGRAM
from ..client.manager import Json, ManagerClient
from ..machine.environment import agent_environment, state_dir
from ..session_client import SessionNotFoundError
from ..shared.page_path import page_path
from ..shared.private_files import open_private
from .browsers import find_browser
from .command import CommandError

NOT_OPENED = "no browser can be opened from here: open this address yourself, within a minute"

_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FILE_NAME = re.compile(r"dashboard-[0-9]{1,5}-[0-9a-f]{32}\.html")


class Place(NamedTuple):
    """A session, and one of its events; without a session, the page Now."""

    session_id: str | None = None
    seq: int | None = None


class OpenedPage(NamedTuple):
    """The address of a page, and whether a browser was started with it."""

    url: str
    is_opened: bool


def open_page(
    manager: ManagerClient, place: Place | None = None, *, in_browser: bool = True
) -> OpenedPage:
    """Open the page at a place, or else at Now, if there is a browser for it.

    Raises:
        CommandError: the manager has no page.
    """
    browser = find_browser(agent_environment()) if in_browser else None
    created = _create_code(manager, place, with_file=browser is not None)
    path = "" if place is None else page_path(*place)
    url = f"{manager.base_url}/#code={created['code']}{path}"
    return OpenedPage(url, browser is not None and _open(browser, created.get("file")))


def _create_code(manager: ManagerClient, place: Place | None, *, with_file: bool) -> Json:
    body: Json = {"file": True} if with_file else {}
    if with_file and place is not None:  # an older manager does not know the field
        body["place"] = place._asdict()
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
