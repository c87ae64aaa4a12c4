"""Parts of texts: three characters each. An index of parts narrows a search for a part of a word.

Parts ignore case. They have only ASCII: databases differ in the case of all other characters.
"""

from __future__ import annotations

_CHARACTERS = 3
_MAX_WANTED = 32
# The characters that a database may turn into letters of ASCII, or the reverse.
_TO_ASCII = str.maketrans({"İ": "i", "ı": "i", "K": "k"})


def parts_of(text: str) -> list[str]:
    """Return the parts of a text, each once and as letters and digits.

    If a text contains another, in any case, it has all parts of the other.
    """
    folded = text.translate(_TO_ASCII).lower()
    parts = (folded[at : at + _CHARACTERS] for at in range(len(folded) - _CHARACTERS + 1))
    return [part.encode().hex() for part in dict.fromkeys(parts) if part.isascii()]


def wanted_parts(text: str) -> list[str]:
    """Return parts of a wanted text, as many as make it rare."""
    return parts_of(text)[:_MAX_WANTED]
