"""HTML exports: no text of a session becomes a tag, and every event has an anchor."""

from __future__ import annotations

import base64
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from agent_session_manager.export.document.options import ExportedTools, ExportFormat, Options
from agent_session_manager.export.document.text import visible
from tests.support.rows import each_row
from tests.unit.agent_session_manager.export.exports import (
    SESSION,
    Event,
    Page,
    blocks,
    call,
    html,
    json_values,
    message,
    rendered,
    result,
    texts,
)

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "dl", "dt", "dd", "section"),
    *("h2", "h3", "div", "pre", "p", "span", "small", "a", "details", "summary", "img"),
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "src"}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def checked(text: str) -> Page:
    """Return a page, after a check that it has only tags and attributes of the renderer."""
    page = Page(text)
    assert page.around == []
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= {*ATTRIBUTES, "alt"}
    assert all(re.fullmatch(r"#e\d+", link or "") for link in page.values("href"))
    sources = [source or "" for source in page.values("src")]
    assert all(re.match(r"data:image/(png|jpeg|gif|webp);base64,", each) for each in sources)
    return page


@given(texts)
def test_text_is_shown_as_it_is_and_opens_no_tag(text: str) -> None:
    events = [
        message("user", text),
        call(text or "x", "c", tool_input={"command": text, text: "x"}),
        result("c", text),
        {"event_type": text or "x", "error": text},
        {"event_type": "session_stop", "reason": text, "error": text},
    ]
    session = {**SESSION, "session_name": text, "project_dir": text, "agent_name": text}
    page = checked(rendered(ExportFormat.HTML, events, session=session))
    if text:
        assert "\n" + visible(text) in page.texts("pre")


@given(texts)
@example("a\n\n```js\nb <i>\n```\nc\n\n<b>\n")
def test_prose_is_complete_in_texts_and_code(text: str) -> None:
    page = checked(html([message("user", text), message("assistant", "end")]))
    own_fences = re.compile(r"^`{3,}[A-Za-z0-9+#.-]{0,20} *$", re.MULTILINE)
    shown = [
        piece
        for around, piece in page.shown
        if "section" in around and around[-1] in ("div", "pre")
    ]
    assert own_fences.sub("", "\n".join(shown)).replace("\n", "") == (
        own_fences.sub("", visible(text)).replace("\n", "") + "end"
    )


def test_code_in_an_answer_is_shown_as_code() -> None:
    page = checked(html([message("assistant", "Run:\n\n```sh\nls <x>\n```\n\nThen look.")]))
    assert page.texts("pre") == ["\nls <x>"]
    assert [text for text in page.texts("div") if text.strip()] == ["Run:", "Then look."]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "event_type": st.sampled_from(
                    [
                        *("message", "thinking", "pre_tool", "post_tool", "permission_denied"),
                        *("subagent_start", "subagent_stop", "session_stop", "usage", "stderr"),
                        *("retry", "diagnostic", "conversation", "damaged", "unheard_of"),
                    ]
                )
            },
            optional={
                name: json_values | st.sampled_from(["a", "b"])
                for name in (
                    *("content", "role", "origin", "continues", "tool_name", "tool_use_id"),
                    *("parent_tool_use_id", "tool_input", "tool_output", "error", "inherited"),
                    *("reason", "exit_code", "timestamp", "attempt", "max_retries", "usage"),
                    *("subagent_type", "description", "status", "event_id"),
                )
            },
        ),
        max_size=8,
    ),
    st.sampled_from(list(ExportFormat)),
    st.sampled_from(list(ExportedTools)),
    st.booleans(),
    st.none() | st.integers(0, 40),
)
def test_events_of_any_shape_are_exported(
    events: list[Event],
    form: ExportFormat,
    tools: ExportedTools,
    thinking: bool,
    max_output: int | None,
) -> None:
    options = Options(tools=tools, thinking=thinking, max_output=max_output)
    shown = rendered(form, events, options)
    if form is ExportFormat.HTML:
        anchors = sorted(int((id or "e0")[1:]) for id in checked(shown).values("id"))
        assert anchors == list(range(1, len(events) + 1))


def test_policy_forbids_scripts_and_requests() -> None:
    page = checked(html([message("user", "hi")]))
    policies = [
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [POLICY]
    assert page.values("style") == page.values("onload") == []


def image(media_type: str, data: str, **source: Any) -> dict[str, Any]:
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": media_type, "data": data, **source},
    }


def test_image_of_a_tool_is_shown_in_the_file() -> None:
    output = [*blocks("before"), image("image/png", PNG)]
    page = checked(html([call("Read", "c"), result("c", output)]))
    assert page.values("src") == [f"data:image/png;base64,{PNG}"]
    assert page.values("alt") == ["[image image/png, 68 bytes]"]


@each_row(
    ("media_type", "data"),
    [
        ("image/svg+xml", base64.b64encode(b"<svg onload=alert(1)>").decode()),
        ("text/html", base64.b64encode(b"<script>").decode()),
        ("image/png", base64.b64encode(b"<svg onload=alert(1)>").decode()),
        ("image/jpeg", PNG),
        ("image/png", PNG[:-3]),
        ("image/png", PNG[:20] + '"><script>' + PNG[20:]),
        ("image/png", ""),
        ('image/png" onerror="x', PNG),
        ("IMAGE/PNG", PNG),
    ],
)
def test_data_that_is_no_image_is_named_with_its_size(media_type: str, data: str) -> None:
    page = checked(html([call("Read", "c"), result("c", [image(media_type, data)])]))
    assert page.values("src") == []
    (note,) = page.texts("p")
    assert note == f"[image {media_type}, {len(data.rstrip('=')) * 3 // 4} bytes]"


def test_image_larger_than_the_limit_is_named() -> None:
    events = [call("Read", "c"), result("c", [image("image/png", PNG)])]
    assert checked(html(events, Options(max_output=60))).texts("p") == [
        "[image image/png, 68 bytes]"
    ]


def test_control_characters_are_removed_or_replaced() -> None:
    page = checked(html([message("user", "a\x1b[31mred\x1b[0m \x07\u202eb\r\nc\rd")]))
    assert "ared \ufffd\ufffdb\nc\nd" in page.texts("div")
