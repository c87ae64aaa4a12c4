"""The first and the last line of an export, and the error of a line that is refused.

See `docs/reference/export-format.md`.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from agent_session_manager.sql.transfer.checks import Check, is_flag, is_moment, is_number, is_text

FORMAT = "agent-session-manager export"
VERSION = 5
READABLE_VERSIONS = (1, 2, 3, 4, 5)
MAX_LINE_BYTES = 256 * 1024 * 1024
"""No exported line is longer: one append is always smaller, even with all characters escaped."""


class ImportRefusedError(Exception):
    """The import is refused; the text says why, and nothing was changed."""


def line_refused(number: int, problem: str) -> ImportRefusedError:
    return ImportRefusedError(f"line {number}: {problem}; nothing was changed")


_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")


def header_line(*, exported_at: int, generation: str, is_whole: bool) -> bytes:
    values = {
        "type": "header",
        "format": FORMAT,
        "version": VERSION,
        "exported_at": exported_at,
        "generation": generation,
        "whole": is_whole,
    }
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def check_header(values: dict[str, Any]) -> None:
    """Raise if this is not the header of an export that this version can read."""
    if values.get("type") != "header" or values.get("format") != FORMAT:
        raise line_refused(1, "this is not an export of agent-session-manager")
    if values.get("version") not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise line_refused(
            1,
            f"this is an export of version {values.get('version')!r}, and this program reads "
            f"versions {readable}: was it written by a newer agent-session-manager?",
        )
    known: dict[str, Check] = {
        "type": is_text,
        "format": is_text,
        "version": is_number,
        "exported_at": is_moment,
        "generation": is_text,
        "whole": is_flag,
    }
    if values.keys() != known.keys() or not all(known[n](v) for n, v in values.items()):
        raise line_refused(1, "the header is not valid")


def trailer_line(counts: dict[str, int], digest: str) -> bytes:
    values = {"type": "trailer", **counts, "sha256": digest}
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def check_trailer(values: dict[str, Any], number: int, counts: dict[str, int], digest: str) -> None:
    """Raise if the trailer does not match the lines before it."""
    told = values.get("sha256")
    if not isinstance(told, str) or not _HEX_SHA256.fullmatch(told):
        raise line_refused(number, "the trailer has no checksum")
    # Earlier versions do not count the kinds of lines that they do not have.
    counts = {name: count for name, count in counts.items() if count or name in values}
    if values != {"type": "trailer", **counts, "sha256": told}:
        raise line_refused(number, "the counts of the trailer do not match the lines before it")
    if told != digest:
        raise line_refused(number, "the checksum of the trailer does not match the lines before it")
