"""Recognizes files that are not UTF-8 text, so that an error can say what they are."""

from __future__ import annotations

import codecs

START_BYTES = 4
_COMPRESSED = {
    b"\x1f\x8b": "gunzip -c FILE",
    b"\x28\xb5\x2f\xfd": "zstd -dc FILE",
    b"PK\x03\x04": "unzip -p FILE",
    b"BZh": "bunzip2 -c FILE",
    b"\xfd7zX": "xz -dc FILE",
}


def other_form(start: bytes) -> str | None:
    """Return the form of a file and its remedy, from its first bytes; None if it can be UTF-8."""
    encoding = _encoding(start)
    if encoding is not None:
        return (
            f"it is {encoding} text, not UTF-8: convert it with iconv -f {encoding} -t UTF-8 FILE"
        )
    for magic, command in _COMPRESSED.items():
        if start.startswith(magic):
            return f"it is compressed: expand it with {command}"
    return None


def utf_8_text(content: bytes, errors: str = "strict") -> str:
    """Decode UTF-8, and leave out a byte order mark.

    Raises:
        ValueError: it is not UTF-8; the text says what the content is, or where the fault is.
    """
    if form := other_form(content[:START_BYTES]):
        raise ValueError(form)
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise ValueError(
            f"it is not UTF-8 text: byte 0x{content[exc.start]:02x} in line {line}"
        ) from None


def _encoding(start: bytes) -> str | None:
    """Return the name of an encoding that has more than one byte for each character."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    if len(start) >= START_BYTES and start[1] == 0 < start[0]:
        return "UTF-32LE" if start[2] == start[3] == 0 else "UTF-16LE"
    if len(start) >= START_BYTES and start[0] == 0 < start[1]:
        return "UTF-16BE"
    return None
