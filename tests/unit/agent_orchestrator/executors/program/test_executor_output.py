from __future__ import annotations

import random
from itertools import product
from typing import Any

from agent_orchestrator.events.event import Event
from agent_orchestrator.executors.program.output import PART_CHARS, Output
from tests.support.rows import each_row

TOKEN = "ghp_" + "aB3dE6gH9j" * 4
CONTROL = "vT4q8ZrW1xYp6LkD3mNbS9uHcE2gJfA7oQiK5tRyUwX"
KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + ("aB3/" * 16 + "\n") * 20
    + "-----END RSA PRIVATE KEY-----"
)


def text_of(events: list[Event]) -> str:
    return "".join(event["content"][0]["text"] for event in events)


def written(output: Output, *chunks: bytes, final: bool = True) -> list[Event]:
    """Write chunks and take the events of each at once, as if the program paused after it."""
    events: list[Event] = []
    for chunk in chunks:
        output.add(chunk)
        events += output.take()
        if output.has_line_begun:
            events += output.take()
    return [*events, *output.take(final=final)]


def test_parts_name_the_event_that_they_continue() -> None:
    first, second, third = written(
        Output("message", role="assistant"), b"one\n", b"two", b" three\n"
    )
    assert "continues" not in first
    assert second["continues"] == third["continues"] == first["event_id"]
    assert {event["role"] for event in (first, second, third)} == {"assistant"}
    assert text_of([first, second, third]) == "one\ntwo three\n"


def test_parts_end_at_line_ends() -> None:
    output = Output("message")
    line = "x" * 700 + "\n"
    output.add((line * 1000).encode() + b"the rest")
    events = [*output.take()]
    assert all(text_of([event]).endswith("x\n") for event in events)
    assert max(len(text_of([event])) for event in events) <= PART_CHARS
    assert text_of([*events, *output.take(final=True)]) == line * 1000 + "the rest"


@each_row("text", ["grüße 🎉 ✓ " * 30_000, "🎉" * 200_000])
def test_no_part_ends_within_a_character(text: str) -> None:
    data = text.encode()
    cut = random.Random(0).sample(range(len(data)), 20)
    pieces = [data[a:b] for a, b in zip([0, *sorted(cut)], [*sorted(cut), None], strict=True)]
    events = written(Output("message"), *pieces)
    assert text_of(events) == text
    assert not any("sanitized" in event for event in events)


@each_row(
    "secret, kind, before, cuts",
    [
        (secret, kind, before, cuts)
        for secret, kind in (
            (TOKEN, "github-token"),
            (KEY, "private-key"),
            (CONTROL, "control-token"),
            (f"password={TOKEN[4:]}", "assigned-secret"),
        )
        for before, cuts in (
            ("", 50),
            ("some words before it\n", 50),
            ("a=" + "b" * PART_CHARS + " ", 4),
        )
    ],
)
def test_secret_is_masked_wherever_the_output_is_cut(
    secret: str, kind: str, before: str, cuts: int
) -> None:
    text = f"{before}see {secret} and more\n"
    at = text.index(secret)
    for cut in range(at, at + len(secret), max(1, len(secret) // cuts)):
        output = Output("message", known={CONTROL: "control-token"})
        events = written(output, text[:cut].encode(), text[cut:].encode())
        told = text_of(events)
        assert f"[masked: {kind}]" in told, cut
        # At most 12 consecutive characters of the secret are visible.
        half = secret.rpartition("=")[2]
        assert not any(half[n : n + 13] in told for n in range(len(half) - 13)), cut
        assert sum(event["masked_secrets"] for event in events if "masked_secrets" in event) >= 1


def test_secret_is_masked_where_a_part_without_line_ends_is_cut() -> None:
    events = written(Output("message"), ("x " * 49_990 + TOKEN + " y" * 50_000).encode())
    assert TOKEN[:12] not in text_of(events)
    assert "[masked: github-token]" in text_of(events)


@each_row(
    "size, kind",
    product((0, 199_999, 200_000, 200_001, 220_004, 400_020), ("lines", "bytes")),
)
def test_beginning_and_end_are_kept_and_the_rest_counted(size: int, kind: str) -> None:
    limit = 200_000
    data = b"".join(b"%d \xc3\xbc\xf0\x9f\x8e\x89\n" % n for n in range(size // 8))
    data = (data if kind == "lines" else data.replace(b"\n", b"\xff"))[:size].ljust(size, b".")
    chunks = [data[at : at + 7_331] for at in range(0, size, 7_331)]
    events = written(Output("message", limit=limit), *chunks)
    parts = [event for event in events if event["event_type"] == "message"]
    marks = [event["omitted_bytes"] for event in parts if "omitted_bytes" in event]
    expected = data.decode(errors="replace")
    if size <= limit:
        assert (text_of(parts), marks) == (expected, [])
        return
    (omitted,) = marks
    begin, mark, end = text_of(parts).partition(f"\n[… {omitted} bytes omitted …]\n")
    assert mark
    assert expected.startswith(begin)
    assert expected.endswith(end)
    # The count is exact, except for up to three bytes of a character at the cut.
    assert size - limit <= omitted <= size - limit + 3
    kept = sum(len(text.encode().replace("\ufffd".encode(), b"?")) for text in (begin, end))
    assert kept == size - omitted


def test_last_lines_are_masked() -> None:
    output = Output("stderr")
    written(output, b"first\nsecond\n", f"token {TOKEN}\n".encode())
    assert output.last_lines(2) == "second\ntoken [masked: github-token]"


def test_cost_of_a_write_does_not_depend_on_the_kept_output() -> None:
    """Beyond the limit, a write costs its own size, not the size of the kept output."""
    output: Any = Output("message", limit=100_000)
    output.add(b"x\n" * 60_000)
    list(output.take())
    for _ in range(300_000):
        output.add(b"y\n")
    assert output._end_bytes <= 100_000 + 20_000
    assert len(text_of([*output.take(final=True)])) <= 100_100
