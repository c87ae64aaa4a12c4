"""Logs: each record is one JSON object on one line, whatever characters it contains.

Terminal control characters are escaped. An error is logged with its type and its traceback. Its
message is logged only if it comes from a system that does not repeat its input. So the content of
an event never gets into a log.
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
from typing import TextIO

from .private_files import open_private

MAX_TEXT_CHARS = 4096
MAX_PLACES = 40
# Characters that JSON does not escape, but that a terminal interprets or takes for the end of a
# line: DEL and C1, marks that change the direction of text, and lone surrogates.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROLS = re.compile(f"[\x00-\x08\x0b-\x1f]|{_OBEYED.pattern}")
_NOT_IN_LINES = re.compile(f"(?:[\x00-\x1f]|{_OBEYED.pattern})+")
_WHOSE_WORDS_ARE_KEPT = ("sqlalchemy.", "psycopg.")


class LineFormatter(logging.Formatter):
    """Formats a record as one line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, str | int | None] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "process": record.process,
            "source": _cut(record.name),
            "message": _cut(record.getMessage()),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            fields["error"] = _cut(_said_by(error))
            fields["trace"] = _cut(" < ".join(_places(error)))
        return _OBEYED.sub(_escaped, json.dumps(fields, ensure_ascii=False))


def shown(text: str) -> str:
    """Return lines of a log with terminal control characters escaped."""
    return _CONTROLS.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return a text in one line: terminal control characters and line breaks become spaces."""
    return _NOT_IN_LINES.sub(" ", text)


def write_log_to(path: Path) -> None:
    """Log to the end of a private file from now on, also uncaught exceptions.

    Raises:
        OSError: the file cannot be opened, or is not private.
    """
    descriptor = open_private(path, append=True)
    write_lines_to(os.fdopen(descriptor, "a", encoding="utf-8"))


def write_lines_to(stream: TextIO) -> None:
    """Log to a stream from now on, also uncaught exceptions."""
    handler = logging.StreamHandler(stream)
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


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "…"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _said_by(error: BaseException) -> str:
    """Return the type of an error, and the first line of its message if that repeats no input."""
    kind = type(error)
    is_kept = isinstance(error, OSError | sqlite3.Error) or kind.__module__.startswith(
        _WHOSE_WORDS_ARE_KEPT
    )
    first = str(error).splitlines()[:1] if is_kept else []
    return ": ".join([kind.__name__, *first])


def _places(error: BaseException) -> Iterator[str]:
    """Yield the places that an error passed, innermost first, and those of its causes."""
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
