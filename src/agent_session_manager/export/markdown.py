"""Parts of a document as Markdown.

No text of a session can change the structure of the document, run, or load anything when it is
shown. A text is in a fence, which is longer than every row of backticks in the text. A paragraph of
a prompt or an answer is quoted as Markdown only if it contains no markup but plain text, emphasis,
lists, tables and links to websites. Lines of the document itself have texts as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from agent_session_manager.export import prose
from agent_session_manager.export.document.nodes import (
    Anchor,
    Border,
    CloseFold,
    Code,
    Fact,
    Fold,
    Image,
    Node,
    Note,
    OpenFold,
    Prose,
    Section,
)
from agent_session_manager.export.document.text import escape, one_line, visible

_TICKS = re.compile("`+")
_WEB_LINK = re.compile(r"(?<!!)\[[^\[\]<>`\\\n]*\]\(https?://[^\s()<>\\`\"]*\)")
# Raw HTML, fences of any kind, and links, images and definitions of any form.
_MARKUP = re.compile(r"<|```|~~~|!\[|\][(\[:]")


def opening(title: str, facts: Iterable[Fact]) -> Iterator[str]:
    yield f"# {_code(title)}\n\n"
    for name, value in facts:
        yield f"- {name}: {_code(value)}\n"
    yield "\n"


def part(node: Node) -> Iterator[str]:
    """Yield a part of the document, and an empty line after it."""
    match node:
        case Prose(text):
            yield from _prose(text)
        case Code(text, label):
            yield f"{_code(label)}\n\n" if label else ""
            yield _fenced(text)
        case Image(words=words) | Note(words):
            yield f"{_code(words)}\n\n"
        case OpenFold(summary):
            yield f"<details>\n<summary>{escape(one_line(summary))}</summary>\n\n"
        case CloseFold():
            yield "</details>\n\n"
        case Anchor():
            pass
        case _:
            yield from _with_body(node)


def _with_body(node: Section | Fold | Border) -> Iterator[str]:
    body: Sequence[Node] = node.body
    match node:
        case Section(title):
            yield f"{'####' if node.depth else '##'} {_text(title)}\n\n"
            yield f"*Event {node.seq}{_since(node.moment)}*\n\n"
        case Border(title):
            yield f"---\n\n**{_text(title)}**{_since(node.moment)}\n\n"
        case Fold(title) if not body:
            yield f"{_code(title)}\n\n"
        case Fold(title):
            body = [OpenFold(title), *body, CloseFold()]
    for inner in body:
        yield from part(inner)


def ending() -> Iterator[str]:
    yield "---\n"


def _since(moment: str) -> str:
    return f", {moment}" if moment else ""


def _text(text: str) -> str:
    """Return words of the document itself; a text of the session in them is code."""
    words = one_line(text)
    return words if re.fullmatch(r"[A-Za-z0-9 ,.:()']*", words) else _code(words)


def _code(text: str) -> str:
    """Return a text as code within a line."""
    line = one_line(text) or " "
    ticks = "`" * (_longest(line) + 1)
    space = " " if "`" in (line[0], line[-1]) else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def _fenced(text: str, language: str = "") -> str:
    shown = visible(text)
    fence = "`" * max(3, _longest(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}\n\n"


def _longest(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)


def _prose(text: str) -> Iterator[str]:
    """Yield a text of a person or a model: quoted where that is safe, otherwise fenced."""
    quoted: list[str] = []
    for language, lines in _paragraphs(text):
        if language is None:
            quoted += [f"> {line}" if line else ">" for line in lines]
            continue
        if quoted:
            yield "\n".join(quoted) + "\n\n"
            quoted = []
        yield _fenced("\n".join(lines), language)
    if quoted:
        yield "\n".join(quoted) + "\n\n"


def _paragraphs(text: str) -> Iterator[tuple[str | None, list[str]]]:
    """Yield each code block with its language, each paragraph, and each empty line.

    What can be quoted has None in place of a language.
    """
    for language, lines in prose.segments(text):
        if language is not None:
            yield language, lines
            continue
        for is_empty, group in groupby(lines, lambda line: not line):
            paragraph = list(group)
            yield None if is_empty else _language_of(paragraph), paragraph


def _language_of(paragraph: list[str]) -> str | None:
    text = "\n".join(paragraph)
    return None if _MARKUP.search(_WEB_LINK.sub("", text)) is None else "text"
