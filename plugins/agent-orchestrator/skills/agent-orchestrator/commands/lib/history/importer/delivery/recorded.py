"""Fits the agent's own record of a conversation to the session that a supervisor has recorded.

An agent of the Agent Client Protocol does not tell the ids with which it keeps its messages. So a
recorded run has the same turns under other ids, and the events of these turns are left out. A turn
belongs to a run if its prompt came between the first and the last event of the run. Gemini CLI
writes its messages again with a later time when it is resumed: there, the prompt has the text of a
recorded one. Turns that a person added without us are kept. Model requests are placed in the run
of their turn: if the agent has reported a total of the run, they are its details.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ....client.manager import ManagerClient
from ....events.event import Event
from ..sources.parts import Part, is_prompt

Json = dict[str, Any]


class RecordedRun(NamedTuple):
    """The time of one recorded run, its first event, and its prompts."""

    begin: datetime
    end: datetime
    first: Event
    prompts: list[str]


def recorded_runs(manager: ManagerClient, session_id: str) -> list[RecordedRun]:
    """Return the runs of a session that supervisors have recorded, oldest first."""
    recorded = {run["run"] for run in manager.list_runs(session_id) if not run["imported"]}
    found: dict[int, RecordedRun] = {}
    for event in manager.iterate_events(session_id):
        moment = _moment(event.get("timestamp"))
        if event["run"] not in recorded or moment is None:
            continue
        if (known := found.get(event["run"])) is None:
            known = RecordedRun(moment, moment, _anchor(event), [])
        if is_prompt(event):
            known.prompts.append("".join(_texts(event)))
        found[event["run"]] = known._replace(end=max(known.end, moment))
    return list(found.values())


@dataclass
class Recorded:
    """A recorded session, and the place in the conversation up to which it was read."""

    session_id: str
    runs: list[RecordedRun]

    def __post_init__(self) -> None:
        self._current: Event | None = self.runs[0].first if self.runs else None
        """The event that shows the run of the current turn."""
        self.is_by_hand = not self.runs
        """True if the current turn is not recorded."""
        self._begun: list[tuple[datetime | None, Event]] = []
        """The time of each turn that was read, and the event that shows its run."""
        self._awaited = [(text, run) for run in self.runs for text in run.prompts]
        """The recorded prompts after the newest one that was read."""

    def fit(self, part: Part) -> Part:
        """Return what the session does not have yet. An event that it has shows a run."""
        fitted = Part(self.session_id)
        shown = [self._current]
        for event in part.events:
            if is_prompt(event):
                self._begin_turn(event)
            shown.append(self._current)
            if not self.is_by_hand:
                continue
            if not fitted.events and not is_prompt(event) and self._current is not None:
                fitted.events.append(self._current)
            fitted.events.append(event)
        for request in part.requests:
            first = self._run_of(request, shown)
            if first is not None and (not fitted.events or fitted.events[-1] is not first):
                fitted.events.append(first)
            fitted.requests.append({**request, "place": len(fitted.events)})
        fitted.has_end = part.has_end and self.is_by_hand
        return fitted

    def _begin_turn(self, prompt: Event) -> None:
        moment = _moment(prompt.get("timestamp"))
        found = self._recorded_at(moment)
        same = self._recorded_as(prompt, moment, found)
        found = found or same
        self.is_by_hand = found is None
        self._current = _anchor(prompt) if found is None else found.first
        self._begun.append((moment, self._current))

    def _recorded_at(self, moment: datetime | None) -> RecordedRun | None:
        if moment is None:
            return None
        return next((each for each in self.runs if each.begin <= moment <= each.end), None)

    def _recorded_as(
        self, prompt: Event, moment: datetime | None, found: RecordedRun | None
    ) -> RecordedRun | None:
        """Return the run that has the same prompt, and was earlier if it is not `found`."""
        texts = list(_texts(prompt))
        whole = "".join(texts)
        for place, (text, run) in enumerate(self._awaited):
            is_it = run is found if found else moment is None or run.end < moment
            if is_it and text and (text in texts or whole.endswith(text)):
                del self._awaited[: place + 1]
                return run
        return None

    def _run_of(self, request: Json, shown: list[Event | None]) -> Event | None:
        """Return the event that shows the run of a request, by its time or by its place."""
        moment = _moment(request.get("occurred_at"))
        if (found := self._recorded_at(moment)) is not None:
            return found.first
        at_place = shown[request["place"]]
        if moment is None or request["place"] < len(shown) - 1:
            return at_place
        before = [first for begin, first in self._begun if begin is None or begin <= moment]
        return before[-1] if before else at_place


def _texts(event: Event) -> Iterator[str]:
    """Yield the texts of a message: an agent adds to the prompt, and joins messages."""
    for block in event.get("content") or ():
        if block.get("type") == "text":
            yield str(block.get("text"))


def _anchor(event: Event) -> Event:
    """Return an event that the session has, without its time: a new run does not begin with it."""
    names = ("event_type", "event_id", "role", "content")
    return {name: event[name] for name in names if name in event}


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
