"""Exports of made-up sessions, and readers of their formats that know nothing of our renderers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from agent_session_manager.export.document.options import ExportFormat, Options
from agent_session_manager.export.renderer import Renderer

Event = dict[str, Any]

MOMENT = "2026-01-01T10:00:00.000000Z"
SESSION = {
    "session_id": "s1",
    "session_name": "count",
    "created_at": MOMENT,
    "state": "finished",
    "run": 1,
    "usage": {},
}
VOID = {"meta", "img"}

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n")),
    st.lists(
        st.sampled_from(
            [
                *("```", "~~~", "````js", "`", "\n", "\n\n", "  ", "> ", "# ", "- ", "---", "***"),
                *("</details>", "<details>", "<!--", "<script>", "</pre>", "</div>", "<![CDATA["),
                *(
                    "![x](",
                    "[x](",
                    "javascript:y",
                    "https://a.b",
                    ")",
                    "[x]: ",
                    "[x]",
                    "&lt;",
                    "\\",
                ),
                *("</style>", "|", "$$", "text", "é", "'", '"', "\t", "\u2028", "&#60;", "&lt;"),
            ]
        )
    ).map("".join),
)
"""Texts without control characters, many of them of the parts of both formats."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def blocks(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def message(role: str, text: str, **fields: Any) -> Event:
    return {"event_type": "message", "role": role, "content": blocks(text), **fields}


def call(name: str, call_id: str, **fields: Any) -> Event:
    return {"event_type": "pre_tool", "tool_name": name, "tool_use_id": call_id, **fields}


def result(call_id: str, output: Any = None, **fields: Any) -> Event:
    return {
        "event_type": "post_tool",
        "tool_use_id": call_id,
        "tool_output": output,
        **fields,
    }


def as_stored(events: Iterable[Event]) -> list[bytes]:
    """Return events as the manager returns them."""
    own = {"run": 1, "late": False, "recorded_at": MOMENT}
    return [
        json.dumps({**own, **event, "seq": seq}).encode() for seq, event in enumerate(events, 1)
    ]


def rendered(
    form: ExportFormat,
    events: Iterable[Event],
    options: Options | None = None,
    session: Mapping[str, Any] = SESSION,
    runs: Mapping[int, Mapping[str, Any]] | None = None,
) -> str:
    renderer = Renderer(form, session, runs or {}, options or Options())
    parts = (*renderer.opening(MOMENT), *renderer.events(as_stored(events)), *renderer.ending())
    return b"".join(parts).decode()


def markdown(events: Iterable[Event], options: Options | None = None) -> str:
    return rendered(ExportFormat.MARKDOWN, events, options)


def html(events: Iterable[Event], options: Options | None = None) -> str:
    return rendered(ExportFormat.HTML, events, options)


def lines(events: Iterable[Event], options: Options | None = None) -> list[Event]:
    shown = rendered(ExportFormat.JSONL, events, options)
    return [json.loads(line) for line in shown.splitlines()]


class Page(HTMLParser):
    """An HTML file as a parser sees it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[tuple[tuple[str, ...], str]] = []
        """Each text with the tags around it."""
        self.around: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.around.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.around.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.shown and self.shown[-1][0] == tuple(self.around):
            data = self.shown.pop()[1] + data
        self.shown.append((tuple(self.around), data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def texts(self, tag: str) -> list[str]:
        return [text for around, text in self.shown if around and around[-1] == tag]

    def values(self, name: str) -> list[str | None]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]
