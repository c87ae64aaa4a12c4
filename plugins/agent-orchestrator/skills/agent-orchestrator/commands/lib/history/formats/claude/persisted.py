"""Outputs of tools that Claude Code keeps in files beside a transcript, because they are long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..fields import fields_of, text_of
from ..files import is_inside

FOLDER = "tool-results"
MAX_BYTES = 16 * 1024 * 1024
_NAMED = re.compile(r"<persisted-output>.*?([^\s/\\]+)\s*(?:\n|</persisted-output>)", re.DOTALL)
_MARK = "<persisted-output>"


class PersistedOutputs:
    """The files in the directory of one session. No other file is read."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def restored(self, content: Any, result: Any) -> Any:
        """Return the output of a call: the text of its file, or `content` without one."""
        if not isinstance(content, str) or not content.startswith(_MARK):
            return content
        given = text_of(fields_of(result).get("persistedOutputPath"))
        named = _NAMED.match(content)
        name = Path(given).name if given else named[1] if named else None
        path = self._folder / name if name else None
        if path is None or not is_inside(path, self._folder):
            return content
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES).decode(errors="replace")
        except OSError:
            return content
