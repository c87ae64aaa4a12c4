"""Outputs of tools that Claude Code keeps in files beside a transcript, because they are long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ....events.output_text import OutputText
from ..fields import fields_of, text_of

FOLDER = "tool-results"
_CHUNK_BYTES = 1024 * 1024
_MARK = "<persisted-output>"
_HEAD_CHARS = 8192
_SAVED_TO = re.compile(r"saved to: ([^\n]{1,4096})\n")


class PersistedOutputs:
    """The files in the directories of the sessions of one project. No other file is read."""

    def __init__(self, root: Path, project: str) -> None:
        self._root = root
        self._project = project

    def restored(self, content: Any, result: Any, session_id: str) -> Any:
        """Return the output of a call: the text of its file, or `content` without one.

        The transcript names the file with its path on the machine that wrote it. Only the name
        counts.
        """
        if not isinstance(content, str) or not content.startswith(_MARK):
            return content
        given = text_of(fields_of(result).get("persistedOutputPath"))
        named = _SAVED_TO.search(content[:_HEAD_CHARS])
        path = given or (named[1].strip() if named else "")
        name = path.replace("\\", "/").rpartition("/")[2]
        try:
            folder = self._root.resolve() / self._project / session_id / FOLDER
            file = folder / name
            # Links are not followed: they could name any file of the person who imports.
            if not name or not file.is_file() or file.resolve() != file:
                return content
            text = OutputText()
            with file.open("rb") as opened:
                while chunk := opened.read(_CHUNK_BYTES):
                    text.add(chunk)
            text.add(b"", final=True)
            return text.text()
        except (OSError, RuntimeError, ValueError):
            return content
