"""The person's browser: checks that we can open it and that it can read our files.

A browser in a sandbox (snap, flatpak) cannot read the state directory. Neither can a browser on
another machine or another operating system.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path

_SCREENS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
_ELSEWHERE = ("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME", "SNAP", "FLATPAK_ID")
"""Set if the screen belongs to another machine or system, or if we run in a sandbox."""
_SIGNS = (Path("/proc/sys/fs/binfmt_misc/WSLInterop"), Path("/.flatpak-info"))

_OPENERS = frozenset({"gio", "gnome-open", "gvfs-open", "kde-open", "kfmclient", "xdg-open"})
"""Programs that open the person's default browser."""
_SANDBOXES = frozenset({"flatpak", "snap", "snapd"})
_STARTS_ONE = re.compile(r"\bflatpak\b|\bsnap\b")
_READ_BYTES = 64 * 1024
_ANSWER_SECONDS = 10.0


def find_browser(environment: Mapping[str, str]) -> webbrowser.BaseBrowser | None:
    """Return a browser that the person can see and that can read our files, or None."""
    if any(environment.get(name) for name in _ELSEWHERE) or any(map(Path.exists, _SIGNS)):
        return None
    if sys.platform != "darwin" and not any(environment.get(name) for name in _SCREENS):
        return None
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return None
    program = getattr(browser, "name", "")
    is_confined = _is_default_confined if Path(program).name in _OPENERS else _is_confined
    return None if is_confined(program, environment) else browser


def _is_confined(program: str, environment: Mapping[str, str]) -> bool:
    """Return whether a program runs in a sandbox, by its path or by the text of its script."""
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        return False
    path = Path(found)
    if _SANDBOXES.intersection((*path.parts, *path.resolve().parts)):
        return True
    try:
        with path.open("rb") as opened:
            head = opened.read(_READ_BYTES)
    except OSError:
        return False
    return head.startswith(b"#!") and _STARTS_ONE.search(head.decode("latin-1")) is not None


def _is_default_confined(_opener: str, environment: Mapping[str, str]) -> bool:
    """Return whether the default browser runs in a sandbox; False if it cannot be found out."""
    try:
        asked = subprocess.run(
            ["xdg-settings", "get", "default-web-browser"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    entry = asked.stdout.strip()
    if not entry or "/" in entry:
        return False
    for path in _desktop_entries(entry, environment):
        if _SANDBOXES.intersection(path.parts):
            return True
        started = re.search(r"(?m)^Exec=\"?([^\s\"]+)(.*)$", path.read_text(errors="replace"))
        if started is None:
            return False
        return bool(_STARTS_ONE.search(started[0])) or _is_confined(started[1], environment)
    return False


def _desktop_entries(name: str, environment: Mapping[str, str]) -> list[Path]:
    """Return the files of this desktop entry, in order of precedence."""
    home = environment.get("HOME", "/nonexistent")
    own = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
    others = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    sandboxes = (
        "/var/lib/snapd/desktop",
        "/var/lib/flatpak/exports/share",
        f"{home}/.local/share/flatpak/exports/share",
    )
    directories = (own, *others.split(":"), *sandboxes)
    paths = [Path(directory) / "applications" / name for directory in directories if directory]
    return [path for path in paths if path.is_file()]
