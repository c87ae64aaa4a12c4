"""The parts of a webhook's URL that can be secret, and how they are left out of a text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

_MIN_CHARS = 8
"""Shorter parts are left out only together with the rest of the path or of the query."""
_INSTEAD = "…"


def hide_url(text: str, url: str) -> str:
    """Return a text without the path and the query of a URL, and without their longer parts.

    Their characters can be encoded for a URL or for HTML. The text may have been cut within them.
    """
    parts = sorted(set(_parts_of(url)), key=lambda part: (-len(part), part))
    if not parts:
        return text
    pattern = "|".join("".join(map(_any_form, part)) for part in parts)
    text = re.sub(pattern, _INSTEAD, text, flags=re.IGNORECASE)
    forms = {form for part in parts for form in (part, quote(part), html.escape(part))}
    length = max(_length_of_beginning(text.lower(), form.lower()) for form in forms)
    return text if length == 0 else text[:-length] + _INSTEAD


def _parts_of(url: str) -> Iterator[str]:
    split = urlsplit(url)
    for whole in (split.path, split.query):
        if len(whole) > 1:
            yield unquote(whole)
        for part in re.split(r"[/?&=]", whole):
            if len(part) >= _MIN_CHARS:
                yield unquote(part)


def _any_form(char: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in char.encode())
    return f"(?:{'|'.join(map(re.escape, {char, encoded, html.escape(char)}))})"


def _length_of_beginning(text: str, part: str) -> int:
    """Return the length of the longest beginning of a part that is the end of a text, or 0."""
    lengths = range(min(len(part), len(text)), _MIN_CHARS - 1, -1)
    return next((length for length in lengths if text.endswith(part[:length])), 0)
