"""Reads the frames of one connection to a feed."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import httpx

from ..machine.clock import Time
from ..session_client import SessionClientError
from .answers import is_session
from .errors import refusal_of_stream
from .manager import Json, ManagerClient

MAX_FRAME_BYTES = 64 * 1024 * 1024
_SLACK_SECONDS = 0.25
"""A connection may end this much after the deadline."""
_MIN_TIMEOUT_SECONDS = 0.01
"""The timeout once the deadline has passed; with 0, a socket would not wait at all."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Message of a feed: its name, its content, and the cursor of a reader that has received it."""

    name: str
    content: Json
    cursor: str | None

    @property
    def session(self) -> Json:
        """State of the session, in a frame that contains it.

        Raises:
            SessionClientError: the frame does not contain a valid session.
        """
        session: Json = self.content.get("session", {})
        if not is_session(session):
            raise SessionClientError(f"invalid frame in the feed: {self.name}")
        return session


Frames = Generator[Frame, None, None]


class Deadline:
    """Time of `time.monotonic()` at which a reader has to end; None means never."""

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
    """Yield the frames of one connection until it ends.

    The timeout of its reads is fixed when the connection opens. If that timeout now reaches past
    the deadline, the connection ends here. The caller opens another one for the remaining time.

    Raises:
        SessionClientError: the connection was refused or cut, or was silent for too long.
    """
    what = f"GET {manager.base_url}{path}"
    silence_seconds = max(silence_seconds, _MIN_TIMEOUT_SECONDS)
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


class TokenRefusedError(SessionClientError):
    """The manager refused a request with this token, or without one."""

    def __init__(self, error: SessionClientError, token: str | None) -> None:
        super().__init__(str(error), error.status_code, error.code)
        self.token = token


def _check(what: str, response: httpx.Response) -> None:
    """Check that the response is a feed.

    Raises:
        TokenRefusedError: the manager refused who asked.
        SessionClientError: it is not a feed.
    """
    if not response.is_success:
        error = refusal_of_stream(what, response)
        if response.status_code not in (401, 403) or error.code is None:
            raise error
        sent = response.request.headers.get("Authorization", "").removeprefix("Bearer ")
        raise TokenRefusedError(error, sent or None)
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise SessionClientError(
            f"{what}: not a feed: not a session manager, or one that is older than this command"
        )


class FrameParser:
    """Turns the bytes of a feed into frames, however the bytes are split."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the frames that these bytes complete.

        Raises:
            SessionClientError: the bytes are not from a manager's feed.
        """
        *whole, self._rest = (self._rest + chunk).split(b"\n\n")
        if len(self._rest) > MAX_FRAME_BYTES:
            raise SessionClientError(f"a frame of more than {MAX_FRAME_BYTES} bytes: not a feed")
        for text in whole:
            frame = _parse(text)
            if frame is not None:
                yield frame


def _parse(text: bytes) -> Frame | None:
    """Return the frame in these lines; None for a comment."""
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
        raise SessionClientError(f"invalid frame in the feed: {exc!r}") from exc
    if not isinstance(content, dict):
        raise SessionClientError("invalid frame in the feed: its data is not an object")
    return frame
