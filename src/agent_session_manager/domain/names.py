"""Names of sessions: which a new one may have, and which two are the same name.

People tell sessions apart by their names, so nothing in a new name may be invisible. Names that are
stored already are never checked: they stay readable, and can be resolved and removed.
"""

from __future__ import annotations

import re
import unicodedata

from agent_session_manager.domain.errors import InvalidNameError

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
# What else Unicode draws nothing for (Default_Ignorable_Code_Point), and the blank of Braille.
_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_JOINERS = frozenset("\u200c\u200d")
_VARIATION = frozenset("\ufe0e\ufe0f")
_PICTURE = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_OF_JOINING_SCRIPT = re.compile(
    "(?:ARABIC|BENGALI|DEVANAGARI|GUJARATI|GURMUKHI|KANNADA|KHMER|MALAYALAM|MYANMAR|NKO|ORIYA"
    "|SINHALA|SYRIAC|TAMIL|TELUGU) "
)
"""How the names of letters begin that change with a joiner between them, so that it is seen."""


def check_name(name: str) -> None:
    """Check the name that a session is to have from now on.

    Raises:
        InvalidNameError: it begins or ends with a blank, or has an invisible character.
    """
    if name != name.strip():
        at = 0 if name[0].isspace() else len(name) - 1
        raise InvalidNameError(
            at, _described(name[at]), "a name does not begin or end with a blank"
        )
    for at, character in enumerate(name):
        if _is_invisible(character) and not _is_seen(name, at):
            raise InvalidNameError(at, _described(character), "nobody can see it")


def reserved_name(name: str) -> str:
    """Return the form in which a name is compared: two ways to write one name are one name."""
    return unicodedata.normalize("NFC", name)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE or _IGNORED.match(character) is not None


def _is_seen(name: str, at: int) -> bool:
    """Whether a character shows where it stands: in emoji, and between letters that join."""
    before, after = name[at - 1 : at], name[at + 1 : at + 2]
    if name[at] in _VARIATION:
        return _PICTURE.match(before) is not None
    if name[at] not in _JOINERS:
        return False
    if _PICTURE.match(after):
        return _PICTURE.match(before) is not None or before in _VARIATION
    return _is_of_joining_script(before) and _is_of_joining_script(after)


def _is_of_joining_script(character: str) -> bool:
    return bool(character) and _OF_JOINING_SCRIPT.match(unicodedata.name(character, "")) is not None


def _described(character: str) -> str:
    """Return `U+200B (ZERO WIDTH SPACE)`; a control character has no name."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
