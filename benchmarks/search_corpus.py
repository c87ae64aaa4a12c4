"""Events for the measurement of search: messages, thinking and tool calls, the same in each run.

Their words have a Zipf distribution, with words of code among them, and their lengths vary as those
of real events do. Planted words stand in a known share of the events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from agent_session_manager.domain.events.event import NewEvent, parse_event
from agent_session_manager.store.changes import AppendEvents, CreateSession

EVENTS_OF_SESSION = 500
PROJECTS = 7
AGENTS = 40
PLANTED = {"rare": 0.0001, "seldom": 0.01, "common": 0.1, "often": 0.3, "usual": 0.6}
_VOCABULARY = 50_000
_MEAN_WORDS = 3.6
_WORDS_SPREAD = 0.9
"""Logarithms of the number of words: the median is 37, the mean 55, and one of 100 has 300."""
_MAX_WORDS = 4000
_LETTERS = "etaoinshrdlucmfwypvbgk"
_TOOLS = ("Bash", "Read", "Edit", "Grep")
_BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
_STEP = timedelta(seconds=5)


def sessions(count: int) -> Iterator[tuple[CreateSession, AppendEvents]]:
    """Yield the changes that store each session, with `count` events in all."""
    chance = random.Random(7)
    texts = _texts(chance)
    for first in range(0, count, EVENTS_OF_SESSION):
        number = first // EVENTS_OF_SESSION
        session_id = f"s{number}"
        new = CreateSession(
            session_id=session_id,
            session_name=f"session {number}",
            project_dir=f"/p/{number % PROJECTS}",
            agent_name=f"agent-{number % AGENTS}",
        )
        size = min(EVENTS_OF_SESSION, count - first)
        events = [_event(session_id, first + place, next(texts)) for place in range(size)]
        yield new, AppendEvents(session_id=session_id, events=events)


def _event(session_id: str, number: int, text: str) -> NewEvent:
    fields: dict[str, Any]
    tool, place = _TOOLS[number // 4 % len(_TOOLS)], number % 10
    path = f"src/room_{number % 97}/file_{number % 1009}.py"
    if place in (0, 5):
        role = "user" if place == 0 else "assistant"
        fields = {"event_type": "message", "role": role, "content": [_block("text", text)]}
    elif place == 1:
        fields = {"event_type": "thinking", "content": [_block("thinking", text)]}
    elif place % 2 == 0:
        tool_input = {"file_path": path, "command": text}
        fields = {"event_type": "pre_tool", "tool_name": tool, "tool_input": tool_input}
    else:
        fields = {"event_type": "post_tool", "tool_name": tool, "tool_output": text}
        if number % 70 == 3:
            fields["error"] = "exit code 1"
    moment = (_BEGIN + number * _STEP).isoformat()
    return parse_event(fields | {"timestamp": moment}, session_id=session_id)


def _block(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, kind: text}


def _texts(chance: random.Random) -> Iterator[str]:
    vocabulary = [_word(chance) for _ in range(_VOCABULARY)]
    weights = list(accumulate(1 / (place + 10) for place in range(_VOCABULARY)))
    while True:
        size = min(_MAX_WORDS, int(chance.lognormvariate(_MEAN_WORDS, _WORDS_SPREAD)) + 1)
        words = chance.choices(vocabulary, cum_weights=weights, k=size)
        words += [word for word, share in PLANTED.items() if chance.random() < share]
        chance.shuffle(words)
        yield " ".join(words)


def _word(chance: random.Random) -> str:
    """Return a word; every fifth one is a name from code."""
    parts = ["".join(chance.choices(_LETTERS, k=chance.randint(3, 9))) for _ in range(2)]
    form = chance.randrange(15)
    if form == 0:
        return parts[0] + parts[1].title()
    return "/_"[form - 1].join(parts) if form in (1, 2) else parts[0]
