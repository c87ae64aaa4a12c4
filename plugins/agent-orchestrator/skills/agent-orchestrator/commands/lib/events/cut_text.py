"""The two ends of a text that was too long to be read as a whole."""

from __future__ import annotations


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
