"""The record of a run by the executor, and the same run as its transcripts tell it.

Both have the same events with the same ids, so a recorded session can be imported without effect.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from agent_orchestrator.events.event import Event
from agent_orchestrator.history.format import Place, Source
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.items import FoundEvent, Item, ModelRequest, TurnEnd
from tests.claude.conftest import Claude

COMPARED = ("message", "thinking", "pre_tool", "post_tool")
"""Types of the events that a transcript has as well."""


def imported(claude: Claude) -> list[Item]:
    """Return the items of all transcripts of a home, each file in order."""
    return [
        item
        for root in FORMAT.roots(claude.home, {})
        for source in sorted(FORMAT.find(root), key=lambda source: source.path)
        for item in items_of(source)
    ]


def items_of(source: Source) -> Iterator[Item]:
    parser, offset = FORMAT.parser(source, None), 0
    for number, line in enumerate(source.path.read_bytes().splitlines(keepends=True), 1):
        yield from parser.read(json.loads(line), Place(number, offset))
        offset += len(line)


def lanes(events: Sequence[Event]) -> dict[str | None, list[Event]]:
    """Return the compared events without times, by the call that started their subagent."""
    found = defaultdict(list)
    for event in events:
        if event["event_type"] in COMPARED:
            timeless = {key: value for key, value in event.items() if key != "timestamp"}
            found[event.get("parent_tool_use_id")].append(timeless)
    return found


def in_transcripts(items: Sequence[Item]) -> list[Event]:
    return [item.event for item in items if isinstance(item, FoundEvent)]


def final_counts(items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Return the counts of each request. A later item raises them to their maximum."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for item in items:
        if isinstance(item, ModelRequest):
            known = found[item.key]
            known.update({n: max(count, known.get(n, 0)) for n, count in item.counts.items()})
    return found


def recorded_counts(events: Sequence[Event]) -> dict[str, dict[str, int]]:
    return {e["request_key"]: e["usage"] for e in events if "request_key" in e}


def compare(claude: Claude, events: Sequence[Event]) -> str | None:
    """Compare the events of runs with the transcripts; return the end of the last turn there."""
    items = imported(claude)
    assert lanes(in_transcripts(items)) == lanes(events)
    assert final_counts(items) == recorded_counts(events)
    ends = [item.reason for item in items if isinstance(item, TurnEnd)]
    return ends[-1] if ends else None
