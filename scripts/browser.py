"""Find a Chromium for the tests of the dashboard, or install one.

The system's Chromium is preferred, then Playwright's, then Debian's packages. The headless shell
comes first: it has no window to draw, so a page costs about half the processor time. If none can
be installed, the script prints what to do; the tests are not skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 600


def find_browser() -> str | None:
    """Return the path of an installed Chromium, or None."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or _of_playwright()


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def _install() -> None:
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    apt_get = [*as_root, "apt-get"]
    ways = [
        [[sys.executable, "-m", "playwright", "install", "chromium"]],
        [[*apt_get, "update"], [*apt_get, "install", "--yes", SHELL]],
        [[*apt_get, "install", "--yes", "chromium"]],
    ]
    for way in ways:
        if all(map(_runs, way)) and find_browser():
            return


def _runs(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    if find_browser() is None:
        print("no Chromium found: installing it, which takes a minute", file=sys.stderr)
        _install()
    found = find_browser()
    if found is None:
        sys.exit("the tests of the dashboard need Chromium: install the package `chromium`")
    print(found)


if __name__ == "__main__":
    main()
