"""The names of threads, which Codex keeps in an index beside the directories of rollouts."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ...items import BrokenRecordError
from ..fields import fields_of, parse_json, prompt_line, text_of
from ..files import is_inside

INDEX = "session_index.jsonl"
_MAX_LINE_BYTES = 64 * 1024


def thread_name(root: Path, thread: str) -> str | None:
    """Return the newest name of a thread, or None. `root` is a directory of rollouts."""
    path = root.parent / INDEX
    try:
        if not is_inside(path, root.parent):
            return None
        stat = path.stat()
        return _names(path, stat.st_size, stat.st_mtime_ns).get(thread)
    except OSError:
        return None


@lru_cache(maxsize=2)
def _names(path: Path, _size: int, _changed: int) -> dict[str, str]:
    """Return the names in an index; of several for one thread, the last."""
    names: dict[str, str] = {}
    with path.open("rb") as file:
        while line := file.readline(_MAX_LINE_BYTES):
            with suppress(BrokenRecordError):
                record = fields_of(parse_json(line))
                thread, name = text_of(record.get("id")), text_of(record.get("thread_name"))
                if thread and name and (title := prompt_line(name)):
                    names[thread] = title
    return names
