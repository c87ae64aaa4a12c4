"""Files that redirect a browser to the dashboard, readable by their owner only.

Every user of the machine can read the arguments of a process. So `ao-dashboard` starts the browser
with the name of a file, and the file contains the code.
"""

from __future__ import annotations

import html
import os
import secrets
from contextlib import suppress
from pathlib import Path

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>Dashboard</title>
<p><a href="{url}">Open the dashboard</a></p>
"""


class RedirectPages:
    """The files of codes that were not exchanged yet, in the state directory."""

    def __init__(self, directory: Path, *, port: int) -> None:
        self._directory = directory
        self._prefix = f"dashboard-{port}-"
        self._url = f"http://127.0.0.1:{port}"
        self._path_by_code: dict[str, Path] = {}

    def create(self, code: str, path_in_page: str) -> str:
        """Write the file of a code, with mode 0600, and return its name.

        Raises:
            OSError: the file cannot be written; no part of it is left.
        """
        path = self._directory / f"{self._prefix}{secrets.token_hex(16)}.html"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        self._path_by_code[code] = path
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as page:
                page.write(_PAGE.format(url=html.escape(f"{self._url}/#code={code}{path_in_page}")))
        except OSError:
            self.remove(code)
            raise
        return path.name

    def remove(self, code: str) -> None:
        """Remove the file of a code, if it has one."""
        path = self._path_by_code.pop(code, None)
        if path is not None:
            with suppress(OSError):  # the code is void: its file opens nothing
                path.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Remove every file of this port, including files that a killed manager left."""
        self._path_by_code.clear()
        for path in self._directory.glob(f"{self._prefix}*.html"):
            with suppress(OSError):
                path.unlink(missing_ok=True)
