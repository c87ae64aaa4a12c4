"""The events of one session, or of several at once with a name at the beginning of each line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from typing import Any

from ...client.manager import Json, ManagerClient
from ...sessions.follow import follow, follow_many
from ...sessions.part import Part
from ..terminal.cells import cells_of
from ..terminal.output import clean, one_line, tell_outage
from ..terminal.screen import Screen
from .look import Look
from .text import EventText, by_parent

IsShown = Callable[[Json], bool]
Print = Callable[[str], None]

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")
"""Colours of the names of several sessions."""


class Logs:
    """The events of sessions as text, or each as a line of JSON."""

    def __init__(
        self,
        sessions: Sequence[Json],
        look: Look,
        *,
        marked: int | None,
        as_json: bool,
        cuts_programs: bool,
    ) -> None:
        """Prepare the texts. `cuts_programs` means that the output of programs is cut, too."""
        self._sessions = sessions
        self._as_json = as_json
        self._texts = {
            each["session_id"]: EventText(
                marked=marked,
                look=look.of_session(cuts_programs and each["executor"] == "command"),
            )
            for each in sessions
        }
        self._prefixes = _prefixes(sessions, look.screen) if len(sessions) > 1 else {}

    def follow(self, manager: ManagerClient, part: Part, is_shown: IsShown, show: Print) -> None:
        """Show events, and those that arrive, until the runs have ended."""
        begins = {s["session_id"]: part.begin(manager, s, is_shown) for s in self._sessions}

        def look(event: Json) -> None:
            if is_shown(event):
                show(self._piece(event))

        if len(self._sessions) > 1:
            follow_many(manager, begins, look, on_outage=tell_outage)
            return
        (session,) = self._sessions
        begin = begins[session["session_id"]]
        follow(manager, session, look, after_seq=begin, on_outage=tell_outage)
        show(self._end())

    def read(self, manager: ManagerClient, part: Part, is_shown: IsShown) -> Iterator[str]:
        """Yield the text of the events that exist now. Several sessions are merged by time."""
        parts = [
            self._in_order(event for event in part.read(manager, session, is_shown))
            for session in self._sessions
        ]
        events = parts[0] if len(parts) == 1 else _merged(parts)
        yield from (self._piece(event) for event in events if is_shown(event))
        yield self._end()

    def _in_order(self, events: Iterable[Json]) -> Iterable[Json]:
        return events if self._as_json else by_parent(events)

    def _piece(self, event: Json) -> str:
        if self._as_json:
            return f"{clean(json.dumps(event))}\n"
        session_id = event["session_id"]
        text = self._texts[session_id]
        if not self._prefixes:
            return text.piece(event)
        prefix = self._prefixes[session_id]
        return "".join(f"{prefix}{line}\n" for line in text.text(event).splitlines())

    def _end(self) -> str:
        return "".join(text.end() for text in self._texts.values())


def _prefixes(sessions: Sequence[Json], screen: Screen) -> dict[str, str]:
    """Return the beginning of the lines of each session."""
    names = {session["session_id"]: one_line(session["session_name"]) for session in sessions}
    width = max(map(cells_of, names.values()))
    colours = _COLOURS * len(names)
    return {
        session_id: f"{screen.styled(name, fg=colour)}{' ' * (width - cells_of(name))} | "
        for (session_id, name), colour in zip(names.items(), colours, strict=False)
    }


def _merged(parts: Sequence[Iterable[Json]]) -> Iterator[Json]:
    """Yield the events of several sessions by time; each session stays in its own order."""
    for _, _, event in merge(*(_timed(part, place) for place, part in enumerate(parts))):
        yield event


def _timed(events: Iterable[Json], place: int) -> Iterator[tuple[str, Any, Json]]:
    latest = ""
    for count, event in enumerate(events):
        latest = max(latest, str(event["recorded_at"]))
        yield latest, (place, count), event
