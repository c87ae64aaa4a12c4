"""One connection to a feed: the frames that it brings, until it ends in whatever way."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import httpx

from ..machine.clock import Time
from ..session_client import SessionClientError, _refusal
from .answers import is_session
from .manager import Json, ManagerClient

MAX_FRAME_BYTES = 64 * 1024 * 1024
_SLACK_SECONDS = 0.25
"""By so much a deadline may be missed."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One message of a feed: its name, what it says, and the cursor of who has read it."""

    name: str
    content: Json
    cursor: str | None

    @property
    def session(self) -> Json:
        """How the session stands, in a frame that says so.

        Raises:
            SessionClientError: it does not say that as a manager does.
        """
        session: Json = self.content.get("session", {})
        if not is_session(session):
            raise SessionClientError(f"a frame that cannot be read: {self.name}")
        return session


Frames = Generator[Frame, None, None]


class Deadline:
    """When a reader has to end: at a time of `time.monotonic()`, or never."""

    def __init__(self, time: Time, at: float | None) -> None:
        self._time = time
        self._at = at

    def seconds_left(self) -> float:
        return float("inf") if self._at is None else self._at - self._time.monotonic()


def read_frames(
    manager: ManagerClient,
    path: str,
    cursor: str | None,
    silence_seconds: float,
    *,
    deadline: Deadline | None = None,
) -> Frames:
    """The frames of one connection, to its end.

    How long its reads may last was settled when it was opened. Where that is past the deadline by
    now, it ends here: another one is opened for what is left.

    Raises:
        SessionClientError: it was refused, was cut, or said nothing for too long.
    """
    what = f"GET {manager.base_url}{path}"
    silence_seconds = max(silence_seconds, 0.01)
    try:
        with manager._http.stream(
            "GET",
            manager.base_url + path,
            headers=_headers(cursor),
            timeout=httpx.Timeout(min(manager.timeout, silence_seconds), read=silence_seconds),
        ) as response:
            _check(what, response)
            parser = FrameParser()
            for chunk in response.iter_bytes():
                yield from parser.feed(chunk)
                if deadline and deadline.seconds_left() < silence_seconds - _SLACK_SECONDS:
                    return
        raise SessionClientError(f"{what}: the feed ended too soon")
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, UnicodeError) as exc:
        reason = str(exc) or type(exc).__name__
        raise SessionClientError(f"{what}: {reason}") from exc


def _headers(cursor: str | None) -> Mapping[str, str]:
    own = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    return own if cursor is None else {**own, "Last-Event-ID": cursor}


def _check(what: str, response: httpx.Response) -> None:
    """Whether it is a feed.

    Raises:
        SessionClientError: it is something else.
    """
    if not response.is_success:
        response.read()
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        raise _refusal(what, response, answer)
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise SessionClientError(
            f"{what}: no feed: not a session manager, or one that is older than this command"
        )


class FrameParser:
    """Turns the bytes of a feed into its frames, wherever they were cut on their way."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole with these bytes.

        Raises:
            SessionClientError: it is not what a manager sends.
        """
        *whole, self._rest = (self._rest + chunk).split(b"\n\n")
        if len(self._rest) > MAX_FRAME_BYTES:
            raise SessionClientError(f"a frame of more than {MAX_FRAME_BYTES} bytes: no feed")
        for text in whole:
            frame = _parse(text)
            if frame is not None:
                yield frame


def _parse(text: bytes) -> Frame | None:
    """The frame that these lines are; None for a comment."""
    fields = {}
    for line in text.split(b"\n"):
        name, _, value = line.partition(b": ")
        fields[name] = value
    if b"event" not in fields:
        return None
    try:
        content = json.loads(fields[b"data"])
        cursor = fields[b"id"].decode() if b"id" in fields else None
        frame = Frame(name=fields[b"event"].decode(), content=content, cursor=cursor)
    except (LookupError, ValueError, RecursionError) as exc:
        raise SessionClientError(f"a frame that cannot be read: {exc!r}") from exc
    if not isinstance(content, dict):
        raise SessionClientError("a frame that cannot be read: its data is no object")
    return frame
