"""JSON texts that are kept as they came: checked, cut apart, and never written anew.

So nothing can change on the way: no number is rounded, no escape resolved, no key reordered. What
is refused is what is no JSON, and what a reader of ours could not read back: nested too deeply, or
an integer of more digits than Python reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from agent_session_manager.domain.json_values import UnstorableJsonError

MAX_DEPTH = 256
MAX_DIGITS = 4300

_SPACE = re.compile(r"[ \t\n\r]*")
_OPENS = ("{", "[")


def decode(body: bytes) -> str:
    """The text of a body.

    Raises:
        UnstorableJsonError: it is not UTF-8.
    """
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise UnstorableJsonError("invalid_json", f"the body is not UTF-8: {exc.reason}") from None


def split_array(text: str) -> Iterator[tuple[str, Any]]:
    """Yield each element of a JSON array: its text, and its value but for the numbers in it.

    Raises:
        UnstorableJsonError: with what is wrong with it.
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
        raise _invalid(f"a comma or an end is missing at character {at}")
    _check_end(text, at + 1)


def check_object(text: str) -> str:
    """The text of a JSON object, without the space around it.

    Raises:
        UnstorableJsonError: with what is wrong with it.
    """
    at = _skip(text, 0)
    value, end = _scan(text, at)
    _check_end(text, end)
    if not isinstance(value, dict):
        raise _invalid("it is not an object")
    return text[at:end]


def _scan(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends."""
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
        raise _invalid(f"there is more after its end, at character {at}")


def _invalid(problem: str) -> UnstorableJsonError:
    return UnstorableJsonError("invalid_json", f"the body is not JSON of the right kind: {problem}")


def _too_deep() -> UnstorableJsonError:
    return UnstorableJsonError("too_deep", f"an entry is nested more than {MAX_DEPTH} deep")


def _any_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise UnstorableJsonError(
            "number_out_of_range", f"an integer has at most {MAX_DIGITS} digits"
        )
    return 0


def _no_constant(text: str) -> None:
    raise _invalid(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_any_int, parse_constant=_no_constant)
