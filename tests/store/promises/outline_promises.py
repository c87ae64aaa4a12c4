"""Promise 19 of `store/protocol.py`: the outline of a session."""

from __future__ import annotations

from typing import Any

from agent_session_manager.domain.events.file_changes import FileChange
from agent_session_manager.domain.events.outline import OutlineEntry
from agent_session_manager.sql.read import outline
from agent_session_manager.store.protocol import Store
from tests.store.promises.changes import append, create, open_run
from tests.store.promises.events import SOME, says, stop
from tests.store.promises.stepped_clock import SteppedClock

EDIT = {"file_path": "/p/a.py", "old_string": "one\ntwo\n", "new_string": "one\n2\n3\n"}
WRITE = {"file_path": "/p/new.py", "content": "a\nb"}
PATCH = "*** Begin Patch\n*** Add File: n.txt\n+x\n*** Delete File: o.txt\n*** End Patch"
DIFF = "--- /dev/null\n+++ b/d.py\n@@ -0,0 +1 @@\n+++ x\n"
A_PY = (FileChange("/p/a.py", 2, 1),)
NOTHING = None


def pre(use: str, tool: str, **given: Any) -> dict[str, Any]:
    return {"event_type": "pre_tool", "tool_name": tool, "tool_use_id": use, "tool_input": given}


def post(use: str, tool: str, **fields: Any) -> dict[str, Any]:
    return {"event_type": "post_tool", "tool_name": tool, "tool_use_id": use, **fields}


def denied(use: str, tool: str) -> dict[str, Any]:
    fields = {"tool_name": tool, "tool_use_id": use, "error": "not allowed\nhere"}
    return {"event_type": "permission_denied", **fields}


def asks(text: str, **fields: Any) -> dict[str, Any]:
    return {**says(text, **fields), "role": "user"}


RECORD: list[tuple[dict[str, Any], tuple[Any, ...] | None]] = [
    (asks("\nFix it.\nSoon."), ("prompt", "Fix it.")),
    (says("I will."), NOTHING),
    (asks("told to a subagent", parent_tool_use_id="t"), NOTHING),
    (asks("summary", origin="compaction"), ("compaction", None)),
    (asks("output", origin="command"), NOTHING),
    (pre("1", "Edit", **EDIT), NOTHING),
    (post("1", "Edit", tool_output="updated"), ("edit", "Edit /p/a.py", 6, None, A_PY)),
    (pre("2", "Write", **WRITE), NOTHING),
    (pre("3", "Edit", **EDIT), NOTHING),
    (post("2", "Write"), ("edit", "Write /p/new.py", 8, None, (FileChange("/p/new.py", 2, None),))),
    (post("3", "Edit", error="no match"), ("failure", "Edit /p/a.py", 9, "no match", A_PY)),
    (pre("4", "Bash", command="ls"), NOTHING),
    (post("4", "Bash", tool_output="a"), NOTHING),
    (pre("5", "Edit", **EDIT), NOTHING),
    (denied("5", "Edit"), ("denial", "Edit /p/a.py", 14, "not allowed", A_PY)),
    (pre("6", "exec_command", cmd=f"apply_patch <<E\n{PATCH}\nE"), NOTHING),
    (
        post("6", "exec_command"),
        (
            *("edit", "exec_command apply_patch <<E", 16, None),
            (FileChange("n.txt", 1, 0), FileChange("o.txt", 0, None)),
        ),
    ),
    (post("7", "edit", diff=DIFF), ("edit", "edit", None, None, (FileChange("d.py", 1, 0),))),
    ({"event_type": "retry", "error": "overloaded"}, NOTHING),
    ({"event_type": "new_type", "error": "bad"}, ("failure", None, None, "bad")),
    ({"event_type": "subagent_start", "description": "look"}, ("subagent", "look")),
    ({**pre("inner", "Task"), "parent_tool_use_id": "6"}, NOTHING),
    ({**says("inside"), "parent_tool_use_id": "inner"}, NOTHING),
    (SOME, NOTHING),
    (stop(reason="failed", error="no login\nsay"), ("run_end", "failed", None, "no login")),
]


_INSIDE = len(RECORD) - 3
LANES = {(1, "t", None): [3], (1, "6", 16): [_INSIDE], (1, "inner", _INSIDE): [_INSIDE + 1]}
"""The events of each subagent, by run, call, and the event that began the call."""


def told(entry: OutlineEntry) -> tuple[Any, ...]:
    return entry.kind.value, entry.text, entry.call_seq, entry.error, entry.files


def read(store: Store) -> tuple[list[OutlineEntry], int, int]:
    """Return all entries, the number of pages, and the number of commands."""
    entries: list[OutlineEntry] = []
    lanes: dict[tuple[int, str, int | None], list[int]] = {}
    named: dict[str, list[int]] = {"message": [], "pre_tool": []}
    after = pages = commands = 0
    while True:
        page = store.get_outline("s", after)
        entries += page.entries
        named["message"] += page.messages
        named["pre_tool"] += page.calls
        for lane in page.lanes:
            lanes.setdefault((lane.run, lane.tool_use_id, lane.call_seq), []).extend(lane.seqs)
        assert after < page.through or not page.has_more
        after, pages, commands = page.through, pages + 1, commands + page.commands
        if not page.has_more:
            kinds = [event["event_type"] for event, _ in RECORD] + ["message"]
            for kind, seqs in named.items():
                assert seqs == [seq for seq, each in enumerate(kinds, 1) if each == kind]
            assert lanes == LANES
            return entries, pages, commands


def promise_19_outline_names_each_of_its_events_once(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, *(event for event, _ in RECORD))
    open_run(store)
    append(store, asks("Again."))
    expected = {seq: want for seq, (_, want) in enumerate(RECORD, 1) if want is not NOTHING}
    expected[len(RECORD) + 1] = ("prompt", "Again.")
    for size in (outline.SCANNED_EVENTS, 1, 3):
        before, outline.SCANNED_EVENTS = outline.SCANNED_EVENTS, size
        try:
            entries, pages, commands = read(store)
        finally:
            outline.SCANNED_EVENTS = before
        found = {entry.seq: told(entry) for entry in entries}
        assert list(found) == list(expected)
        for seq, want in expected.items():
            assert found[seq] == (*want, *(None, None, ())[len(want) - 2 :]), seq
        assert [entry.run for entry in entries] == [1] * (len(entries) - 1) + [2]
        assert (pages, commands) == (-(-(len(RECORD) + 1) // size), 1)
