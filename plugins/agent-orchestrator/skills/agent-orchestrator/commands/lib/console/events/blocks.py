"""The content of events as text: texts unchanged, other blocks as a short description.

An agent, a tool or another caller can put any JSON into an event. A value of unknown form is shown
as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...shared.sizes import size_text

_DATA_URL = re.compile(r"data:([\w/+.-]*)(?:;[\w=.-]+)*;base64,([A-Za-z0-9+/=_-]{64,})")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{256,}={0,2}")


def content_text(content: Any, shortened: Any = None, path: str = "content") -> str:
    """Return the text of a list of blocks, one block below the other.

    `shortened` is the event's mark. It maps the path of each shortened text to its full length.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return _without_data(content)
    if not isinstance(content, list):
        return _json(content)
    lengths = shortened if isinstance(shortened, Mapping) else {}
    texts = (_block(block, lengths, f"{path}.{place}") for place, block in enumerate(content))
    return "\n".join(text for text in texts if text)


def _block(block: Any, lengths: Mapping[str, Any], path: str) -> str:
    if isinstance(block, str):
        return _without_data(block)
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return _json(block)
    if block["type"] == "text":
        text = block.get("text")
        return _without_data(text) if isinstance(text, str) else _json(text)
    inner = next((k for k in ("source", "resource") if isinstance(block.get(k), dict)), None)
    holder = block[inner] if inner else block
    prefix = f"{path}.{inner}" if inner else path
    if isinstance(holder.get("text"), str):  # a document or resource that is text
        return f"[{_words(block, holder, None)}]\n{_without_data(holder['text'])}"
    for key in ("data", "blob"):
        if isinstance(holder.get(key), str):
            length = lengths.get(f"{prefix}.{key}")
            chars = length if isinstance(length, int) else len(holder[key])
            return f"[{_words(block, holder, chars * 3 // 4)}]"
    nested = block.get("content")
    if isinstance(nested, list):
        return content_text(nested, lengths, f"{path}.content")
    named = ("url", "uri", "file_id", "media_type")  # of an import, the media type is all there is
    if any(isinstance(holder.get(key), str) for key in named):
        return f"[{_words(block, holder, None)}]"
    rest = {key: value for key, value in block.items() if key != "type"}
    return f"[{block['type']}]" if not rest else f"[{block['type']}] {_json(rest)}"


def _words(block: Mapping[str, Any], holder: Mapping[str, Any], size: int | None) -> str:
    """Describe a block: its kind, media type, name, address and size, if it has them."""
    words = [block["type"]]
    for key in ("media_type", "mimeType", "mime_type", "format"):
        if isinstance(holder.get(key), str):
            words.append(holder[key])
            break
    for part, keys in ((block, ("title", "name")), (holder, ("url", "uri", "file_id"))):
        words += [part[key] for key in keys if isinstance(part.get(key), str)][:1]
    told = " ".join(_without_data(word) for word in words)
    return told if size is None else f"{told}, {size_text(size)}"


def output_text(output: Any, shortened: Any = None) -> str:
    """Return the output of a tool as text: its text, its blocks, or JSON."""
    if isinstance(output, list) and output and all(_is_block(part) for part in output):
        return content_text(output, shortened, "tool_output")
    if isinstance(output, str):
        return _without_data(output)
    return "" if output is None else _json(output)


def _is_block(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _json(value: Any) -> str:
    """Return a value as JSON, without the base64 in it."""
    return json.dumps(_without_base64(value), ensure_ascii=False)


def _without_base64(value: Any) -> Any:
    match value:
        case str() if _BASE64.fullmatch(value):
            return f"[{size_text(len(value) * 3 // 4)} of base64]"
        case str():
            return _without_data(value)
        case list():
            return [_without_base64(part) for part in value]
        case dict():
            return {key: _without_base64(part) for key, part in value.items()}
        case _:
            return value


def _without_data(text: str) -> str:
    """Replace each `data:` URL that contains a file with a short description."""
    if ";base64," not in text:
        return text
    return _DATA_URL.sub(
        lambda found: f"[data {found[1] or 'unknown'}, {size_text(len(found[2]) * 3 // 4)}]", text
    )
