"""Judges the record of an agent: the promises of executors, and each step of the scenario.

The numbers are those of the promises in `executors/base.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from tests.agents.agents import Json
from tests.agents.play import HINT, LAST, LEFT, OUTPUT, READ, SECRET, Seen

OUTPUT_TOKENS = 42
"""Tokens of each answer of the stand-in."""
CALLS = ("notes.txt", "notes.txt", "go-1", "refused.txt")
"""A word of the input of each call of the first run, in order."""


def broken_promises(seen: Seen) -> dict[int, str]:
    """Return the promises that the record breaks, each with how."""
    found = {number: check(seen) for number, check in _PROMISES.items()}
    return {number: text for number, text in found.items() if text is not None}


def types_of(seen: Seen, run: int = 1) -> list[str]:
    """Return the types of the events of a run, without those of usage and of the agent's own.

    A message is named by its role.
    """
    left_out = ("usage", "diagnostic", "agent_update", "turn_diff")
    return [
        event.get("role") or event["event_type"]
        for event in _of(seen, run)
        if event["event_type"] not in left_out and event.get("origin") != "system"
    ]


def _of(seen: Seen, run: int, *types: str) -> list[Json]:
    events = (event for event in seen.events if event["run"] == run)
    return [event for event in events if not types or event["event_type"] in types]


def _runs(seen: Seen) -> Iterator[list[Json]]:
    for number in sorted({event["run"] for event in seen.events}):
        yield _of(seen, number)


def _prompt_is_first(seen: Seen) -> str | None:
    for run in _runs(seen):
        if (run[0]["event_type"], run[0].get("role")) != ("message", "user"):
            return f"a run begins with {run[0]['event_type']}"
    return None


def _order(seen: Seen) -> str | None:
    """Check that the calls of the first run come in the order of the steps, between the words."""
    calls = [json.dumps(event["tool_input"]) for event in _of(seen, 1, "pre_tool")]
    if len(calls) != len(CALLS) or any(
        word not in call for word, call in zip(CALLS, calls, strict=True)
    ):
        return f"the calls are {calls}"
    words = [event["event_type"] for event in _of(seen, 1) if event.get("role") != "user"]
    first, last = words.index("message"), len(words) - 1 - words[::-1].index("message")
    places = [at for at, kind in enumerate(words) if kind in ("pre_tool", "post_tool")]
    if not first < places[0] <= places[-1] < last:
        return "the words of the model are not around its calls"
    return None


def _ids(seen: Seen) -> str | None:
    counts = Counter(event["event_id"] for event in seen.events)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        return f"{len(twice)} ids are not unique"
    for event in seen.events:
        if datetime.fromisoformat(event["timestamp"]).utcoffset() is None:
            return "a timestamp has no offset"
    return None


def _pairs(seen: Seen) -> str | None:
    for run in _runs(seen):
        open_calls: set[str] = set()
        for event in run:
            call = event.get("tool_use_id")
            if event["event_type"] == "pre_tool":
                if call in open_calls:
                    return f"two pre_tool of {call}"
                open_calls.add(str(call))
            elif event["event_type"] == "post_tool":
                if call not in open_calls:
                    return f"a post_tool without its pre_tool: {call}"
                open_calls.remove(str(call))
        if open_calls:
            return f"{len(open_calls)} calls without their end"
    without = [name for name, post in _bad_ends(seen) if "error" not in post]
    return f"no error of {', '.join(without)}" if without else None


def _bad_ends(seen: Seen) -> Iterator[tuple[str, Json]]:
    """Yield the ends of the calls that were refused or stopped."""
    for number, pipe, name in ((1, "refused.txt", "the refused call"), (2, "go-2", "the stopped")):
        ids = [
            event["tool_use_id"]
            for event in _of(seen, number, "pre_tool")
            if pipe in json.dumps(event["tool_input"])
        ]
        for post in _of(seen, number, "post_tool"):
            if post["tool_use_id"] in ids:
                yield name, post


def _ends(seen: Seen) -> str | None:
    expected = ["completed", "stopped", "completed"]
    reasons = []
    for run in _runs(seen):
        ends = [at for at, event in enumerate(run) if event["event_type"] == "session_stop"]
        if ends != [len(run) - 1]:
            return "a run does not end with one session_stop"
        reasons.append(run[-1]["reason"])
    if reasons != expected:
        return f"the runs ended as {', '.join(reasons)}"
    return None


def _no_process_left(seen: Seen) -> str | None:
    return f"left: {', '.join(seen.left)}" if seen.left else None


def _asked_once(seen: Seen) -> str | None:
    asked = Counter(event["question_id"] for event in _of(seen, 1, "permission_request"))
    decided = Counter(event["question_id"] for event in _of(seen, 1, "permission_decided"))
    if asked != decided or any(count > 1 for count in asked.values()):
        return f"{asked.total()} questions, {decided.total()} decisions"
    if "refused.txt" in seen.files:
        return "the refused command has run"
    return None


def _conversation_is_named(seen: Seen) -> str | None:
    types = types_of(seen)
    if seen.name == "claude":  # its conversation has the id of the session
        return None
    if "conversation" not in types or types.index("conversation") > types.index("assistant"):
        return "no conversation before the first words"
    return None


_PROMISES: Mapping[int, Callable[[Seen], str | None]] = {
    1: _prompt_is_first,
    2: _order,
    3: _ids,
    4: _pairs,
    5: _ends,
    7: _no_process_left,
    9: _asked_once,
    10: _conversation_is_named,
}


def steps(seen: Seen) -> dict[str, str]:
    """Return the result of each step of the scenario."""
    words = ["".join(block["text"] for block in event["content"]) for event in _said(seen)]
    outputs = [json.dumps(event.get("tool_output")) for event in _of(seen, 1, "post_tool")]
    output_of = dict(zip(("read", "edit", "run", "refused"), outputs, strict=False))
    is_changed = seen.files.get("notes.txt", "").startswith("changed\n")
    asked = [json.dumps(event["tool_input"]) for event in _of(seen, 1, "permission_request")]
    return {
        "reads a file": _yes(SECRET in output_of.get("read", ""), "yes", "without its content"),
        "edits it": _edit(seen, is_changed, any("notes.txt" in each for each in asked)),
        "runs a command": _yes(
            OUTPUT in output_of.get("run", ""), "yes", "yes, without its output"
        ),
        "is asked": _yes(any("go-1" in each for each in asked), "yes", "no"),
        "is refused": _refusal(words),
        "gets a message": _yes(seen.is_told_in_turn, "in the turn", "as the next turn")
        if any(HINT in json.dumps(event.get("content")) for event in _of(seen, 1, "message"))
        else "no",
        "is stopped": _stop(seen),
        "is resumed": "; ".join(seen.resumes) or "not tried",
        "result": seen.results[0] if seen.results and seen.results[0] in (LAST, LEFT) else "none",
        "usage": _usage(seen),
        "is imported": seen.imported,
        "end": ", ".join(run[-1].get("reason", "no end") for run in _runs(seen)),
    }


def _said(seen: Seen) -> list[Json]:
    return [event for event in _of(seen, 1, "message") if event.get("role") == "assistant"]


def _yes(is_so: bool, yes: str, no: str) -> str:
    return yes if is_so else no


def _edit(seen: Seen, is_changed: bool, was_asked: bool) -> str:
    if not is_changed:
        return "no"
    has_diff = any("diff" in event for event in _of(seen, 1, "post_tool", "permission_request"))
    parts = ["asked first" if was_asked else "not asked"]
    if not has_diff and not _of(seen, 1, "turn_diff"):
        parts.append("no diff")
    return f"yes, {', '.join(parts)}"


def _refusal(words: list[str]) -> str:
    if READ not in words:
        return "not reached"
    if LAST in words:
        return "continues"
    return "answers the reason" if LEFT in words else "ends"


def _stop(seen: Seen) -> str:
    ends = _of(seen, 2, "session_stop")
    return str(ends[0]["reason"]) if ends else "not reached"


def _usage(seen: Seen) -> str:
    """Compare the recorded tokens of the first run with those of the answers."""
    events = _of(seen, 1, "usage")
    latest: dict[object, Json] = {}
    for at, event in enumerate(events):
        latest[event.get("request_key", at)] = event["usage"]
    totals = [each for key, each in latest.items() if isinstance(key, int)]
    requests = [each for key, each in latest.items() if not isinstance(key, int)]
    counted = sum(each.get("output_tokens", 0) for each in requests or totals)
    has_cost = any("cost_microdollars" in each for each in latest.values())
    expected = OUTPUT_TOKENS * (seen.requests[0] if seen.requests else 0)
    cost = ", cost" if has_cost else ""
    if counted and counted == expected:
        return f"all tokens{cost}"
    return f"{counted} of {expected} tokens{cost}" if counted else f"no tokens{cost}"


def start_seconds(seen: Seen) -> float | None:
    """Return the time from the prompt in the record to the first words of the model."""
    said = _said(seen)
    if not said:
        return None
    began, first = (datetime.fromisoformat(each["timestamp"]) for each in (seen.events[0], said[0]))
    return (first - began).total_seconds()
