"""Texts of the program as Markdown, for the generated pages of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from textwrap import dedent, fill

WIDTH = 140


def paragraphs(text: str | None) -> Iterator[str]:
    """Yield the paragraphs of a help text as Markdown. Examples become a code block."""
    for paragraph in cleandoc(text or "").split("\n\n"):
        if paragraph.startswith("\b"):
            _, title, *lines = paragraph.splitlines()
            code = dedent("\n".join(lines))
            yield f"{title}\n\n```sh\n{code}\n```"
        else:
            yield filled(paragraph)


def filled(paragraph: str) -> str:
    """Wrap a paragraph, but not within code."""
    text = re.sub(r"`[^`]+`", lambda code: "\0".join(code[0].split()), paragraph)
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False).replace("\0", " ")


def cell(text: str) -> str:
    """Return a text as the content of a table cell."""
    return " ".join(text.replace("|", "\\|").split())
