"""JSON texts that are stored unchanged: checked and split, but never serialized again.

This keeps every number, escape and key order as the client sent it. Refused are texts that are not
valid JSON, and texts that our readers could not parse: those nested too deeply, and integers with
more digits than Python parses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from agent_session_manager.domain.json_values import UnstorableJsonError

MAX_DEPTH = 256
MAX_DIGITS = 4300

_SPACE = re.compile(r"[ \t\n\r]*")
_BLANKS = " \t\r"
_DIGITS = bytes(ord("0") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))
_LONG_INTEGER = b"0" * MAX_DIGITS
_OPENS = ("{", "[")


def decode(body: bytes) -> str:
    """Return the text of a body.

    Raises:
        UnstorableJsonError: the body is not UTF-8.
    """
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise UnstorableJsonError("invalid_json", f"the body is not UTF-8: {exc.reason}") from None


def split_array(text: str) -> Iterator[tuple[str, Any]]:
    """Yield each element of a JSON array: its text, and its value, in which integers may be 0.

    Raises:
        UnstorableJsonError: the text is not an array that can be stored.
    """
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise _invalid("it is not an array")
    at = _skip(text, at + 1)
    more = text[at : at + 1] != "]"
    while more:
        value, end = _scan(text, at)
        yield text[at:end], value
        at = _skip(text, end)
        more = text[at : at + 1] == ","
        at = _skip(text, at + 1) if more else at
    if text[at : at + 1] != "]":
        raise _invalid(f"a comma or a closing bracket is missing at character {at}")
    _check_end(text, at + 1)


def split_lines(text: str, parse: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """Yield each line of JSON lines as `split_array` does; empty lines are skipped.

    `parse` is a faster parser. Whatever it refuses with a `ValueError` is parsed again.

    Raises:
        UnstorableJsonError: a line is not one JSON text that can be stored.
    """
    at = _skip(text, 0)
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end == -1 else end
        line = text[at:end].rstrip(_BLANKS)
        value = _plain_value(line, parse)
        if value is None:
            value, stop = _scan(text, at)
            if stop != at + len(line):
                raise _invalid(f"the line at character {at} is not one JSON text")
        yield line, value
        at = _skip(text, end)


def _plain_value(line: str, parse: Callable[[str], Any]) -> Any:
    """Return the value of a line that the faster parser reads; None: `_scan` decides."""
    if len(line) > MAX_DIGITS and _LONG_INTEGER in line.encode().translate(_DIGITS):
        return None
    try:
        value = parse(line)
    except ValueError:
        return None
    if sum(map(line.count, _OPENS)) > MAX_DEPTH:
        _check_depth(value)
    return value


def check_object(text: str) -> str:
    """Return the text of a JSON object, without the whitespace around it.

    Raises:
        UnstorableJsonError: the text is not an object that can be stored.
    """
    at = _skip(text, 0)
    value, end = _scan(text, at)
    _check_end(text, end)
    if not isinstance(value, dict):
        raise _invalid("it is not an object")
    return text[at:end]


def _scan(text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins at `at`, and the index after its end."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as exc:
        raise _invalid(f"{exc.msg} at character {exc.pos}") from None
    except RecursionError:
        raise _too_deep() from None
    if sum(text.count(mark, at, end) for mark in _OPENS) > MAX_DEPTH:
        _check_depth(value)
    return value, end


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = chain.from_iterable(
            outer.values() if type(outer) is dict else outer
            for outer in level
            if type(outer) in (dict, list)
        )
        level = [inner for inner in inside if type(inner) in (dict, list)]
        if not level:
            return
    raise _too_deep()


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


def _check_end(text: str, at: int) -> None:
    at = _skip(text, at)
    if at != len(text):
        raise _invalid(f"unexpected text after its end, at character {at}")


def _invalid(problem: str) -> UnstorableJsonError:
    return UnstorableJsonError("invalid_json", f"the body is not the expected JSON: {problem}")


def _too_deep() -> UnstorableJsonError:
    return UnstorableJsonError("too_deep", f"an entry is nested more than {MAX_DEPTH} levels deep")


def _any_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise UnstorableJsonError(
            "number_out_of_range", f"an integer must not have more than {MAX_DIGITS} digits"
        )
    return 0


def _no_constant(text: str) -> None:
    raise _invalid(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_any_int, parse_constant=_no_constant)
