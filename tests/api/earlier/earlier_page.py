"""A page of the earlier system: it reads the frames of the WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection

from tests.support.manager import RunningManager
from tests.support.pages import open_page
from tests.support.waiting import WATCHDOG_SECONDS

Frame = dict[str, Any]


class Page:
    """A page that reads all frames and sends none."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def next(self) -> Frame:
        text = self.connection.recv(timeout=WATCHDOG_SECONDS)
        assert isinstance(text, str)
        frame: Frame = json.loads(text)
        return frame

    def until(self, is_last: Callable[[Frame], bool]) -> list[Frame]:
        """Return all frames up to the first for which `is_last` holds, including it."""
        found = [self.next()]
        while not is_last(found[-1]):
            found.append(self.next())
        return found


@contextmanager
def page_of(manager: RunningManager, **options: Any) -> Iterator[Page]:
    with open_page(manager, **options) as opened:
        yield Page(opened)


def is_of(session_id: str, *types: str) -> Callable[[Frame], bool]:
    """Return a test for frames of one of these types about a session."""

    def holds(frame: Frame) -> bool:
        about = frame.get("session") or frame.get("data") or frame
        return frame["type"] in types and about["session_id"] == session_id

    return holds


def events_in(frames: list[Frame], session_id: str) -> list[Frame]:
    return [frame["data"] for frame in frames if is_of(session_id, "event")(frame)]
