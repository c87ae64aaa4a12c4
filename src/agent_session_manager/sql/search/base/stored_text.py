"""The text of an event as the index stores it: for snippets, and to remove its words exactly."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from agent_session_manager.search.extract import EventText, Kind
from agent_shared.zstandard import import_zstandard

_COMPRESSED_FROM = 1000
"""Compressing shorter texts takes as long as indexing them, and saves little."""
_PLAIN, _COMPRESSED = b"\0", b"\1"
_LEVEL = 1
_zstandard = import_zstandard()
_compressor = _zstandard.ZstdCompressor(_LEVEL)
"""Used again for each text, since making one takes as long as compressing a short text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredText:
    """A text with the facets under which it was indexed."""

    facets: str
    kind: Kind
    tool_name: str | None
    has_error: bool
    text: str


def dump_text(facets: str, text: EventText) -> bytes:
    body = orjson.dumps([facets, text.kind, text.tool_name, text.has_error, text.text])
    if len(body) < _COMPRESSED_FROM:
        return _PLAIN + body
    compressed: bytes = _compressor.compress(body, _compressor.FLUSH_FRAME)
    return _COMPRESSED + compressed


def parse_text(body: bytes) -> StoredText:
    plain = body[1:] if body[:1] == _PLAIN else _zstandard.decompress(body[1:])
    facets, kind, tool_name, has_error, text = orjson.loads(plain)
    return StoredText(
        facets=facets, kind=Kind(kind), tool_name=tool_name, has_error=has_error, text=text
    )
