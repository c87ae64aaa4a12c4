"""The two ends of a text that was too long to be read as a whole."""

from __future__ import annotations

from collections.abc import Iterable


class CutText(str):
    """The kept ends of a text, with a note between them. Credentials in it are masked already.

    An event with such a text has the original length in `shortened`, as if `prepare` had cut it.
    """

    characters: int
    """Length of the whole text."""
    size: int
    """Its length in bytes of UTF-8."""
    masked: int
    """Number of credentials that were masked."""

    def __new__(cls, text: str, *, characters: int, size: int, masked: int) -> CutText:
        cut = super().__new__(cls, text)
        cut.characters, cut.size, cut.masked = characters, size, masked
        return cut


def join_texts(texts: Iterable[str], separator: str = "\n") -> str:
    """Join texts as `str.join` does; the result is a `CutText` if one of them is."""
    parts = [*texts]
    joined = separator.join(parts)
    cut = [part for part in parts if isinstance(part, CutText)]
    if not cut:
        return joined
    return CutText(
        joined,
        characters=len(joined) + sum(part.characters - len(part) for part in cut),
        size=_size(joined) + sum(part.size - _size(part) for part in cut),
        masked=sum(part.masked for part in cut),
    )


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
