"""Questions to a person and their decisions, each as a title and parts of a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent_session_manager.export.document import content
from agent_session_manager.export.document.nodes import Code, Node
from agent_session_manager.export.document.options import Event, string
from agent_session_manager.export.document.text import MAX_LINE_CHARS, json_text, one_line

Titled = tuple[str, Sequence[Node]]


def question(event: Event, given: Sequence[Node]) -> Titled:
    """Return a question; `given` shows the input of its tool call, if it is shown."""
    subject = string(event.get("title")) or string(event.get("tool_name"))
    title = "Question to a person" if subject is None else f"Question to a person: {subject}"
    body = [*content.literal(event.get("why")), *given]
    if given and (diff := string(event.get("diff"))):
        body.append(Code(diff, "Diff"))
    for item in _mappings(event.get("items")):
        offered = (f"- {label}" for label in _labels(item.get("options")))
        body.append(Code("\n".join([string(item.get("text")) or "", *offered]), "Asked"))
    if choices := list(_labels(event.get("choices"))):
        body.append(Code("\n".join(choices), "Choices"))
    return one_line(title, MAX_LINE_CHARS), body


def decision(event: Event) -> Titled:
    by = string(event.get("by"))
    title = f"Decision: {string(event.get('decision'))}{'' if by is None else f', by {by}'}"
    body: list[Node] = []
    answers = event.get("answers")
    if isinstance(answers, Mapping) and answers:
        lines = (f"{key}: {json_text(texts)}" for key, texts in answers.items())
        body.append(Code("\n".join(lines), "Answers"))
    return one_line(title, MAX_LINE_CHARS), [*body, *content.literal(event.get("text"))]


def _labels(choices: Any) -> Iterator[str]:
    for choice in _mappings(choices):
        if label := string(choice.get("label")):
            yield label


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    found = value if isinstance(value, list) else []
    return [each for each in found if isinstance(each, Mapping)]
