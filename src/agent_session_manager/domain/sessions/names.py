"""Names of sessions: the rules for new names, and the comparison of names.

People tell sessions apart by their names, so a new name must not have invisible characters. Stored
names are never checked: they can still be read, resolved and removed.
"""

from __future__ import annotations

import re
import unicodedata

from agent_session_manager.domain.errors import InvalidNameError

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
# Other characters that are not drawn (Default_Ignorable_Code_Point), and the blank of Braille.
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
"""Unicode name prefixes of scripts whose letters look different around a joiner."""


def check_name(name: str) -> None:
    """Check a new session name.

    Raises:
        InvalidNameError: the name begins or ends with whitespace, or has an invisible character.
    """
    if name != name.strip():
        at = 0 if name[0].isspace() else len(name) - 1
        raise InvalidNameError(
            at, _described(name[at]), "a name must not begin or end with whitespace"
        )
    for at, character in enumerate(name):
        if _is_invisible(character) and not _is_seen(name, at):
            raise InvalidNameError(at, _described(character), "it is invisible")


def reserved_name(name: str) -> str:
    """Return the normalized form of a name (NFC), in which names are compared."""
    return unicodedata.normalize("NFC", name)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE or _IGNORED.match(character) is not None


def _is_seen(name: str, at: int) -> bool:
    """Return whether a joiner or variation selector is visible at this position.

    It is visible inside an emoji, and between letters of a joining script.
    """
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
