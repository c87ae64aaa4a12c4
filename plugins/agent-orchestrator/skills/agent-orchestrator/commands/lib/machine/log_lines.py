"""The logs of commands and supervisors: one line for each record, `key=value`, whatever is in it.

A value is a JSON string, in which also what a terminal would obey is escaped: no text can end its
line or look like another. Of an error there are the places it came through, its kind, and the
words of systems that do not repeat what they were given: an event never gets into a log.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path, PurePath
from types import TracebackType

from ..shared.private_files import open_private

MAX_TEXT_CHARS = 4096
MAX_PLACES = 40
# What JSON leaves as it is and a terminal obeys, or takes for the end of a line: DEL and C1, marks
# that change the direction of text, and half of a surrogate pair.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class LineFormatter(logging.Formatter):
    """Puts a record on one line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = [
            f"time={moment}.{int(record.msecs):03}Z",
            f"level={record.levelname.lower()}",
            f"process={record.process}",
            f"source={quoted(record.name)}",
            f"message={quoted(record.getMessage())}",
        ]
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields.append(f"error={quoted(_said_by(error))}")
            fields.append(f"trace={quoted(' < '.join(_places(error)))}")
        return " ".join(fields)


def quoted(text: str) -> str:
    """The text as a JSON string without anything that a terminal would obey."""
    if len(text) > MAX_TEXT_CHARS:
        text = text[:MAX_TEXT_CHARS] + "…"
    return _OBEYED.sub(_escaped, json.dumps(text, ensure_ascii=False))


def write_lines_to(path: Path) -> None:
    """Log to the end of a private file from now on, also what nobody has caught.

    Raises:
        OSError: it cannot be opened, or is not private.
    """
    descriptor = open_private(path, append=True)
    handler = logging.StreamHandler(os.fdopen(descriptor, "a", encoding="utf-8"))
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda uncaught: _uncaught(
        uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback
    )


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt):
        logging.getLogger(__name__).critical("a defect", exc_info=(kind, error, trace))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _said_by(error: BaseException) -> str:
    """The kind of an error, and the first line of what it says where that repeats nothing."""
    is_kept = isinstance(error, OSError | sqlite3.Error)
    first = str(error).splitlines()[:1] if is_kept else []
    return ": ".join([type(error).__name__, *first])


def _places(error: BaseException) -> Iterator[str]:
    """Where an error came from, the innermost place first, and what it was caused by."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if seen:
            yield f"[{_said_by(cause)}]"
        seen.add(id(cause))
        frames = traceback.extract_tb(cause.__traceback__)[-MAX_PLACES:]
        for frame in reversed(frames):
            yield f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}"
        cause = cause.__cause__ or cause.__context__
