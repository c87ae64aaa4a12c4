"""Parsing the bytes of a feed into frames."""

from __future__ import annotations

import pytest

from agent_orchestrator.client import frames
from agent_orchestrator.client.frames import Frame, FrameParser
from agent_orchestrator.session_client import SessionClientError
from tests.support.rows import each_row

FEED = (
    b'event: session\ndata: {"session":{"run":1}}\n\n'
    b": ping\n\n"
    b'event: event\nid: a1:7\ndata: {"seq":7,"text":"\xc3\xa4: \\n\\n"}\n\n'
    b"event: bye\ndata: {}\n\n"
)
FRAMES = [
    Frame(name="session", content={"session": {"run": 1}}, cursor=None),
    Frame(name="event", content={"seq": 7, "text": "ä: \n\n"}, cursor="a1:7"),
    Frame(name="bye", content={}, cursor=None),
]


def parsed(*chunks: bytes) -> list[Frame]:
    parser = FrameParser()
    return [frame for chunk in chunks for frame in parser.feed(chunk)]


def test_frames_do_not_depend_on_how_bytes_are_split() -> None:
    assert parsed(FEED) == FRAMES
    assert parsed(*(FEED[n : n + 1] for n in range(len(FEED)))) == FRAMES
    for place in range(len(FEED)):
        assert parsed(FEED[:place], FEED[place:]) == FRAMES


def test_incomplete_frame_is_not_returned() -> None:
    assert parsed(FEED[:-1]) == FRAMES[:-1]


@each_row(
    "text",
    [
        b"event: event\n\n",
        b"event: event\ndata: {\n\n",
        b"event: event\ndata: 7\n\n",
        b"event: event\ndata: " + b"[" * 100_000 + b"\n\n",
        b"event: \xff\ndata: {}\n\n",
    ],
)
def test_invalid_frame_is_an_error(text: bytes) -> None:
    with pytest.raises(SessionClientError, match="invalid frame in the feed"):
        parsed(text)


def test_endless_frame_is_refused_at_the_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 100)
    with pytest.raises(SessionClientError, match="more than 100 bytes"):
        parsed(b"event: event\n", b"data: " + b"x" * 100)
