"""Parts of a document as one HTML file, which loads nothing and needs no script.

`escape` is applied to every text of a session, and nothing else writes one. The policy in the file
forbids scripts and all requests, wherever it is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from agent_session_manager.export.document.text import escape, one_line
from agent_session_manager.export.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def opening(title: str, facts: Iterable[Fact]) -> Iterator[str]:
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n<dl>\n"
    )
    for name, value in facts:
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n"
    yield "</dl>\n"


def part(node: Node) -> Iterator[str]:
    match node:
        case Prose(text):
            yield from _prose(text)
        case Code(text, label):
            yield f'<div class="label">{escape(label)}</div>\n' if label else ""
            yield f"<pre>\n{escape(text)}</pre>\n"  # a parser drops the first line feed
        case Image(media_type, data, words):
            source = escape(f"data:{media_type};base64,{data}")
            yield f'<img src="{source}" alt="{escape(words)}">\n'
        case Note(text):
            yield f'<p class="note">{escape(text)}</p>\n'
        case Anchor(seq):
            yield f"<span{_id(seq)}></span>\n"
        case OpenFold(summary):
            yield f'<details class="copy">\n<summary>{escape(one_line(summary))}</summary>\n'
        case CloseFold():
            yield "</details>\n"
        case _:
            yield from _with_body(node)


def _prose(text: str) -> Iterator[str]:
    for language, lines in prose.segments(text):
        shown = "\n".join(lines)
        if language is not None:
            yield from part(Code(shown))
        elif around := shown.strip("\n"):
            yield f'<div class="text">{escape(around)}</div>\n'


def _with_body(node: Section | Fold | Border) -> Iterator[str]:
    match node:
        case Section(title):
            kind = "prompt" if title.startswith("Prompt") else "answer"
            opened = f'<section class="{kind}"{_id(node.seq)}>\n'
            tag, end = ("h3" if node.depth else "h2"), "</section>\n"
        case Fold(title, body) if body:
            opened, tag, end = f"<details{_fold(node)}>\n", "summary", "</details>\n"
        case Fold(title):
            opened, tag, end = f"<div{_fold(node)}>\n", "span", "</div>\n"
        case Border(title):
            opened, tag, end = f'<div class="border"{_id(node.seq)}>\n', "span", "</div>\n"
    yield f"{opened}<{tag}>{escape(title)}{_place(node)}</{tag}>\n"
    for inner in node.body:
        yield from part(inner)
    yield end


def ending() -> Iterator[str]:
    yield "</main>\n</body>\n</html>\n"


def _id(seq: int | None) -> str:
    return "" if seq is None else f' id="e{int(seq)}"'


def _fold(node: Fold) -> str:
    return f' class="fold{" failed" if node.has_failed else ""}"{_id(node.seq)}'


def _place(node: Section | Fold | Border) -> str:
    """Return the number of an event as a link to it, and its time."""
    link = "" if node.seq is None else f'<a href="#e{int(node.seq)}">{int(node.seq)}</a> '
    return f" <small>{link}{escape(node.moment)}</small>" if link or node.moment else ""
