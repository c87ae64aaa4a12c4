"""`ao-dashboard`: the manager's page in the person's browser.

The address holds a code that is good once, and for a minute. Anybody on this machine can read it in
the arguments of the browser's process, so the token is not in it.
"""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import click

from ..environment import agent_environment
from ..manager_client import ManagerClient
from ..session_client import SessionNotFoundError
from .command import Command, CommandError, configure, json_option
from .connect import PROGRAM, open_manager
from .output import answer, answer_json, note

EXAMPLES = """\
  ao-dashboard
  ao-dashboard --print
  ao-dashboard --json | jq -r .url"""

_SCREENS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
_WSL = Path("/proc/sys/fs/binfmt_misc/WSLInterop")


@click.command(cls=Command, examples=EXAMPLES)
@click.option("--print", "print_only", is_flag=True, help="Only print the address to open.")
@json_option
def main(print_only: bool, as_json: bool) -> None:
    """Open the dashboard in the browser: all sessions, and what happens in them.

    Where no browser can be opened from here, its address is printed. It opens one browser, within a
    minute.
    """
    with open_manager(configure(), for_people=True) as manager:
        url = f"{manager.base_url}/#code={_create_code(manager)}"
    is_opened = not print_only and _has_screen() and _open(url)
    if as_json:
        answer_json({"url": url, "opened": is_opened})
    elif is_opened:
        answer(f"opened {manager.base_url}")
    else:
        answer(url)
    if not (print_only or is_opened):
        note("no browser can be opened from here: open this address yourself, within a minute")


def _create_code(manager: ManagerClient) -> str:
    try:
        return manager._get("code", str, "POST", "/dashboard/codes", {})
    except SessionNotFoundError as exc:
        raise CommandError(
            f"the manager at {manager.base_url} has no dashboard: it is older than this command. "
            f"Restart it with: {PROGRAM} stop"
        ) from exc


def _has_screen() -> bool:
    """Whether a browser that is started here has a window that the person sees.

    Over SSH their screen is another machine's, and under WSL another system's.
    """
    environment = agent_environment()
    if "SSH_CONNECTION" in environment or _WSL.exists():
        return False
    return sys.platform == "darwin" or any(environment.get(name) for name in _SCREENS)


def _open(url: str) -> bool:
    try:
        return webbrowser.get().open(url, new=2)
    except webbrowser.Error:
        return False
