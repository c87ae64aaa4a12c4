"""Paths and arguments in JSON: they are bytes, and a few of the bytes are not valid UTF-8.

Python represents an invalid byte as a lone surrogate, which our JSON must not contain. For people,
the byte is shown as in a shell (`\\xff`). For later use, the original bytes are kept.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from typing import Any

_BYTE = re.compile("[\udc80-\udcff]")
_BASE64 = "base64"


def wire_text(text: str) -> str:
    """Return the text, with each byte that is not UTF-8 written as `\\xff`."""
    return _BYTE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)


def to_wire(value: Any) -> Any:
    """Return a JSON value in which texts with invalid bytes are replaced by `{"base64": …}`."""
    match value:
        case str() if _BYTE.search(value):
            return {_BASE64: base64.b64encode(os.fsencode(value)).decode()}
        case dict():
            return {name: to_wire(part) for name, part in value.items()}
        case list():
            return [to_wire(part) for part in value]
    return value


def from_wire(value: Any) -> Any:
    """Return the original value: the inverse of `to_wire`."""
    match value:
        case {"base64": str(encoded)} if len(value) == 1:
            try:
                return os.fsdecode(base64.b64decode(encoded, validate=True))
            except binascii.Error:
                return value
        case dict():
            return {name: from_wire(part) for name, part in value.items()}
        case list():
            return [from_wire(part) for part in value]
    return value
