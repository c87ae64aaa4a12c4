"""Markdown exports: no text of a session leaves its fence, its quote or its line."""

from __future__ import annotations

import re

from hypothesis import example, given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from agent_session_manager.export.document.options import ExportFormat
from agent_session_manager.export.document.text import visible
from tests.support.rows import each_row
from tests.unit.agent_session_manager.export.exports import (
    SESSION,
    Event,
    call,
    markdown,
    message,
    rendered,
    result,
    texts,
)

OWN_HTML = re.compile(r"<details>\n<summary>[^<>\n]*</summary>\n|</details>\n")


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a document, after a check that nothing in it is active."""
    found = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
    depth = 0
    for token in found:
        if token.type == "html_block":
            assert OWN_HTML.fullmatch(token.content), token
            depth += -1 if token.content.startswith("</") else 1
            assert depth >= 0
        for inner in token.children or []:
            assert inner.type not in ("html_inline", "image"), inner
            address = inner.attrs.get("href")
            assert address is None or re.match("https?://", str(address)), inner
    assert depth == 0
    return found


def fences(text: str) -> list[str]:
    return [token.content for token in tokens_of(text) if token.type == "fence" and not token.level]


def headings(tokens: list[Token]) -> list[str]:
    """Return the headings of the document itself, and not those in quotes."""
    return [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and not token.level
    ]


def prose_of(text: str, title: str) -> str:
    """Return the text below a heading, out of its quotes and fences."""
    body = text.partition(f"## {title}\n\n")[2].partition("\n\n")[2].partition("\n---\n\n")[0]
    lines: list[str] = []
    fence = ""
    for line in body.split("\n"):
        ticks = re.match("`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
            lines += [line] if fence else []
        elif ticks is not None:
            fence = ticks[0]
        elif line.startswith(">"):
            lines.append(line[2:])
    return "\n".join(lines)


@given(texts)
@example("a\n\n```js\nb\n```\n\nc")
@example("![a](https://tracker) [b](https://c.d)")
@example("[x](https://a.b `c) <i>`")
def test_text_stays_in_its_place(text: str) -> None:
    events = [
        message("user", text),
        call(text or "x", "c", tool_input={"command": text, text: "x"}),
        result("c", text),
        result("c", error=text),
        {"event_type": text or "x", "error": text},
        message("assistant", "end"),
        {"event_type": "session_stop", "reason": text, "error": text},
    ]
    session = {**SESSION, "session_name": text, "project_dir": text}
    tokens = tokens_of(rendered(ExportFormat.MARKDOWN, events, session=session))
    _, *found = headings(tokens)
    assert found == ["Prompt", "Answer"]


@given(texts)
def test_output_of_a_tool_is_in_one_fence(text: str) -> None:
    shown = markdown([call("Bash", "c"), result("c", text)])
    assert fences(shown) == ([visible(text) + "\n"] if text else [])


@given(texts)
@example("a\n\n```js\nb <i>\n```\nc\n\n<b>\n")
def test_prose_is_complete_in_quotes_and_fences(text: str) -> None:
    events = [message("user", text), {"event_type": "session_stop"}]
    own_fences = re.compile(r"^`{3,}[A-Za-z0-9+#.-]{0,20} *$", re.MULTILINE)
    without_fences = own_fences.sub("", visible(text)).replace("\n", "")
    shown = own_fences.sub("", prose_of(markdown(events), "Prompt")).replace("\n", "")
    assert shown == without_fences


def test_plain_markdown_is_quoted_and_rendered() -> None:
    answer = "# Done\n\n- one **two**\n- [docs](https://a.b/c)\n\n```py\nx < 1\n```\n\nEnd."
    shown = markdown([message("assistant", answer)])
    assert (
        "> # Done\n>\n> - one **two**\n> - [docs](https://a.b/c)\n>\n\n```py\nx < 1\n```" in shown
    )
    assert headings(tokens_of(shown)) == ["`count`", "Answer"]


@each_row(
    "text",
    [
        "</details><script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](https://a.b\n[y]: javascript:z",
        "![x](https://tracker.example/pixel)",
        "  ```\n  open",
        "~~~\nopen",
        "<!-- open",
    ],
)
def test_paragraph_with_markup_is_fenced(text: str) -> None:
    shown = markdown([message("user", f"Before.\n\n{text}\n\nAfter.")])
    assert fences(shown) == [text + "\n"]
    assert "> Before.\n" in shown
    assert "> After.\n" in shown


def test_fence_is_longer_than_the_longest_row_of_backticks() -> None:
    text = "```\n" + "`" * 1000 + "\n"
    assert "\n" + "`" * 1001 + "\n" + text in markdown([call("Bash", "c"), result("c", text)])


def test_many_fences_without_end_are_read_once() -> None:
    text = "\n".join("`" * (3 + n % 5) + "x" for n in range(100_000))
    (prompt,) = fences(markdown([message("user", text)]))
    assert prompt == text + "\n"


def test_session_has_its_prompts_calls_answers_and_runs() -> None:
    events: list[Event] = [
        message("user", "Fix it."),
        {"event_type": "thinking", "content": "Hm."},
        call("Bash", "c", tool_input={"command": "ls", "script": "a\nb"}),
        result("c", "README"),
        message("assistant", "Done."),
        {"event_type": "session_stop", "reason": "completed", "exit_code": 0},
    ]
    assert markdown(events).partition("---\n\n")[2] == SHOWN


SHOWN = """\
**Run 1**

## Prompt

*Event 1, 2026-01-01 10:00:00 UTC*

> Fix it.

<details>
<summary>Bash: ls · done</summary>

`Input`

```
command: ls
```

`Input: script`

```
a
b
```

`Output`

```
README
```

</details>

## Answer

*Event 5, 2026-01-01 10:00:00 UTC*

> Done.

---

**Run 1: completed (exit code 0)**, 2026-01-01 10:00:00 UTC

---
"""
