"""Rendering of one session in a format, as a stream of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from agent_session_manager.export import html, jsonl, markdown
from agent_session_manager.export.document.document import Document, Facts
from agent_session_manager.export.document.nodes import Fact, Node
from agent_session_manager.export.document.options import ExportFormat, Options

PIECE_CHARS = 64 * 1024


class _Form(Protocol):
    """A format for parts of documents."""

    def opening(self, title: str, facts: Iterable[Fact]) -> Iterator[str]: ...

    def part(self, node: Node) -> Iterator[str]: ...

    def ending(self) -> Iterator[str]: ...


_FORMS: dict[ExportFormat, _Form] = {ExportFormat.MARKDOWN: markdown, ExportFormat.HTML: html}


class Renderer:
    """The bytes of one export, for `opening`, then `events` any number of times, then `ending`.

    Memory is bounded by the largest event and by what `Grouping` holds.
    """

    def __init__(
        self, form: ExportFormat, session: Facts, runs: Mapping[int, Facts], options: Options
    ) -> None:
        self._form = form
        self._options = options
        self._document = Document(session, runs, options)

    def opening(self, exported_at: str) -> Iterator[bytes]:
        if self._form is not ExportFormat.JSONL:
            facts = self._document.opening(exported_at)
            yield from _encoded(_FORMS[self._form].opening(self._document.title, facts))

    def events(self, texts: Iterable[bytes]) -> Iterator[bytes]:
        """Take the next events, each as JSON; yield the bytes that are complete, in pieces."""
        if self._form is ExportFormat.JSONL:
            for text in texts:
                if line := jsonl.line(json.loads(text), text, self._options):
                    yield line
            return
        nodes = (n for t in texts for n in self._document.add(json.loads(t), len(t)))
        yield from self._rendered(nodes)

    def ending(self) -> Iterator[bytes]:
        if self._form is not ExportFormat.JSONL:
            yield from self._rendered(self._document.ending())
            yield from _encoded(_FORMS[self._form].ending())

    def _rendered(self, nodes: Iterable[Node]) -> Iterator[bytes]:
        form = _FORMS[self._form]
        yield from _encoded(text for node in nodes for text in form.part(node))


def _encoded(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield texts as UTF-8, in pieces that are neither tiny nor joined into one."""
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= PIECE_CHARS:
            yield "".join(waiting).encode(errors="replace")
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode(errors="replace")
