"""Content of events as parts of a document: texts, images, and names of everything else."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agent_session_manager.export.document.nodes import Code, Image, Node, Note, Prose
from agent_session_manager.export.document.options import Options, string
from agent_session_manager.export.document.text import cut, json_text, one_line
from agent_shared.sizes import size_text

_BEGINNINGS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
"""Types of images that browsers show and that cannot contain a program, by their first bytes."""
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_HEAD_CHARS = 32
_MEDIA_TYPES = ("media_type", "mimeType", "mime_type", "format")
_ADDRESSES = ("url", "uri", "file_id")
MAX_WORD_CHARS = 200


def message(content: Any, options: Options) -> list[Node]:
    """Return the parts of a message."""
    if isinstance(content, list):
        content = [block for block in content if not options.leaves_out_block(block)]
    return _joined(_blocks(content), Prose)


def literal(content: Any) -> list[Node]:
    """Return the parts of a text whose lines matter, such as that of a program."""
    return _joined(_blocks(content), Code)


def output(value: Any, options: Options) -> list[Node]:
    """Return the parts of a tool's output, with at most `max_output` bytes of text.

    An image with more bytes is named, and not shown.
    """
    most = options.max_output
    left = most
    parts: list[Node] = []
    for part in _joined(_blocks(value), Code):
        match part:
            case Code(text) if left is not None:
                parts.append(Code(cut(text, left)))
                left = max(0, left - len(text.encode(errors="replace")))
            case Image(_, data, words) if most is not None and _bytes_of(data) > most:
                parts.append(Note(words))
            case _:
                parts.append(part)
    return parts


def _joined(blocks: Iterable[str | Node], kind: Callable[[str], Node]) -> list[Node]:
    """Return the blocks with each row of texts as one part of this kind."""
    parts: list[Node] = []
    texts: list[str] = []
    for block in blocks:
        if isinstance(block, str):
            texts.append(block)
            continue
        if texts:
            parts.append(kind("\n".join(texts)))
            texts = []
        parts.append(block)
    return [*parts, kind("\n".join(texts))] if texts else parts


def _blocks(value: Any) -> Iterable[str | Node]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(_kind_of(part) for part in value):
        return [part for block in value for part in _block(block)]
    return [json_text(value)]


def _kind_of(block: Any) -> str | None:
    return string(block.get("type")) if isinstance(block, Mapping) else None


def _block(block: Mapping[str, Any]) -> Iterable[str | Node]:
    if block["type"] == "text" and isinstance(block.get("text"), str):
        return [block["text"]]
    inner = next((k for k in ("source", "resource") if isinstance(block.get(k), Mapping)), None)
    holder: Mapping[str, Any] = block[inner] if inner else block
    data = next((holder[k] for k in ("data", "blob") if isinstance(holder.get(k), str)), None)
    if data is not None:
        words = f"[{_words(block, holder)}, {size_text(_bytes_of(data))}]"
        media_type = _shown_type(holder, data)
        return [Note(words) if media_type is None else Image(media_type, data, words)]
    if isinstance(holder.get("text"), str):  # a document or a resource that is text
        return [Note(f"[{_words(block, holder)}]"), holder["text"]]
    if isinstance(block.get("content"), list):
        return _blocks(block["content"])
    if any(isinstance(holder.get(key), str) for key in _ADDRESSES):
        return [Note(f"[{_words(block, holder)}]")]
    return [json_text(block)]


def _bytes_of(data: str) -> int:
    """Return the number of bytes that base64 stands for."""
    return len(data.rstrip("=")) * 3 // 4


def _shown_type(holder: Mapping[str, Any], data: str) -> str | None:
    """Return the type of an image, if the data is whole and begins as this type does."""
    named = next((holder[key] for key in _MEDIA_TYPES if isinstance(holder.get(key), str)), "")
    beginning = _BEGINNINGS.get(named)
    if beginning is None or not _BASE64.fullmatch(data):
        return None
    try:
        head = base64.b64decode(data[:_HEAD_CHARS], validate=True)
    except binascii.Error:
        return None
    return named if beginning.match(head) else None


def _words(block: Mapping[str, Any], holder: Mapping[str, Any]) -> str:
    """Describe a block: its kind, media type, name and address, if it has them."""
    words = [block["type"]]
    for of, keys in ((holder, _MEDIA_TYPES), (block, ("title", "name")), (holder, _ADDRESSES)):
        words += [of[key] for key in keys if isinstance(of.get(key), str)][:1]
    return " ".join(one_line(word, MAX_WORD_CHARS) for word in words)
