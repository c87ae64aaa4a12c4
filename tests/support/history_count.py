"""An independent count of the sessions, words and calls in a home directory.

It uses no code of the product: it reads the files of the agents. A session in two places counts
once, and so does a record that several files of its session repeat. Copies in a fork are events of
the fork, too.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.usage_count import lines_of

Line = dict[str, Any]
KINDS = ("answer", "thought", "call", "result")


class Seen(NamedTuple):
    """One record of a session: what it is, and an id that is unique in the session."""

    session: str
    kind: str
    own_id: str


def count(home: Path) -> dict[str, Counter[str]]:
    """Return for each agent the number of its sessions, and of the records of each kind."""
    counts: dict[str, Counter[str]] = {}
    for reader in (claude, codex, gemini, copilot, opencode, predecessor):
        found = set(reader(home))
        counts[reader.__name__] = Counter(each.kind for each in found if each.kind in KINDS)
        counts[reader.__name__]["sessions"] = len({each.session for each in found})
    return counts


def claude(home: Path) -> Iterator[Seen]:
    for path in sorted((home / ".claude" / "projects").rglob("*.jsonl")):
        own = path.stem if not path.name.startswith("agent-") else ""
        for line in lines_of(path):
            if line.get("type") not in ("user", "assistant"):
                continue
            session, message = line.get("sessionId") or own, line["message"]
            yield Seen(session, "session", "")
            content = message["content"]
            if isinstance(content, str) or message.get("model") == "<synthetic>":
                continue
            for place, block in enumerate(content):
                kind = _CLAUDE.get((line["type"], block["type"]))
                if kind and (kind != "thought" or block["thinking"]):
                    call = block.get("id") or block.get("tool_use_id")
                    yield Seen(session, kind, call or f"{line['uuid']}:{place}")


_CLAUDE = {
    ("assistant", "text"): "answer",
    ("assistant", "thinking"): "thought",
    ("assistant", "tool_use"): "call",
    ("user", "tool_result"): "result",
}


def codex(home: Path) -> Iterator[Seen]:
    for path in sorted((home / ".codex").rglob("rollout-*")):
        session = path.name.partition(".")[0][-36:]
        for number, line in enumerate(lines_of(path)):
            yield Seen(session, "session", "")
            if line["type"] != "response_item":
                continue
            item = line["payload"]
            kind = _CODEX.get(item["type"])
            if item["type"] == "message" and item["role"] == "assistant":
                kind = "answer"
            if item["type"] == "reasoning" and not item.get("summary"):
                continue
            if kind:
                yield Seen(session, kind, item.get("call_id") or f"{path} {number}")


_CODEX = {
    "reasoning": "thought",
    "function_call": "call",
    "custom_tool_call": "call",
    "function_call_output": "result",
    "custom_tool_call_output": "result",
}


def gemini(home: Path) -> Iterator[Seen]:
    for path in sorted((home / ".gemini").rglob("*.jsonl")):
        session = ""
        for line in lines_of(path):
            session = line.get("sessionId", session)
            yield Seen(session, "session", "")
            for each in [line, *(line.get("$set", {}).get("messages") or [])]:
                if each.get("type") != "gemini":
                    continue
                content = each.get("content")
                parts = content if isinstance(content, list) else [{"text": content}]
                if any(part.get("text") for part in parts):
                    yield Seen(session, "answer", each["id"])
                for place, _ in enumerate(each.get("thoughts") or ()):
                    yield Seen(session, "thought", f"{each['id']} {place}")
                for call in each.get("toolCalls") or ():
                    yield Seen(session, "call", call["id"])
                    if call["status"] in ("success", "error", "cancelled"):
                        yield Seen(session, "result", call["id"])


def copilot(home: Path) -> Iterator[Seen]:
    for path in sorted((home / ".copilot").rglob("events.jsonl")):
        for line in lines_of(path):
            kind, data = line["type"], line["data"]
            yield Seen(path.parent.name, "session", "")
            if kind == "assistant.message" and data["content"]:
                yield Seen(path.parent.name, "answer", line["id"])
            if kind == "assistant.message" and data.get("reasoningText"):
                yield Seen(path.parent.name, "thought", line["id"])
            if kind == "tool.execution_start":
                yield Seen(path.parent.name, "call", data["toolCallId"])
            if kind == "tool.execution_complete":
                yield Seen(path.parent.name, "result", data["toolCallId"])


def opencode(home: Path) -> Iterator[Seen]:
    folder = home / ".local" / "share" / "opencode"
    with closing(sqlite3.connect(folder / "opencode.db")) as database:
        rows = database.execute(
            "SELECT p.session_id, p.id, p.data, m.data FROM part p"
            " JOIN message m ON m.id = p.message_id"
        ).fetchall()
        sessions = {row[0] for row in database.execute("SELECT id FROM session")}
    with closing(sqlite3.connect(folder / "opencode-next.db")) as database:
        newer = {row[0] for row in database.execute("SELECT id FROM session_v2")}
        messages = database.execute(
            "SELECT session_id, id, data FROM session_message WHERE type = 'assistant'"
        ).fetchall()
    for session in sessions | newer:
        yield Seen(session, "session", "")
    for session, name, part, message in rows:
        if session not in newer and json.loads(message)["role"] == "assistant":
            yield from _opencode(session, name, json.loads(part))
    for session, name, data in messages:
        for place, block in enumerate(json.loads(data).get("content") or ()):
            yield from _opencode(session, f"{name} {place}", block)


def _opencode(session: str, name: str, block: Line) -> Iterable[Seen]:
    kind = {"text": "answer", "reasoning": "thought", "tool": "call"}.get(block["type"])
    if kind is not None and (kind == "call" or block.get("text")):
        yield Seen(session, kind, name)
    if kind == "call":
        yield Seen(session, "result", name)


def predecessor(home: Path) -> Iterator[Seen]:
    for path in sorted(home.rglob("agent-sessions/*.jsonl")):
        for number, line in enumerate(lines_of(path)):
            yield Seen(path.stem, "session", "")
            blocks = line.get("content")
            for place, block in enumerate(blocks if isinstance(blocks, list) else ()):
                for field, kind in _PREDECESSOR.items():
                    if field in block and ("model" in line) is (kind != "result"):
                        yield Seen(path.stem, kind, f"{number} {place}")


_PREDECESSOR = {"text": "answer", "thinking": "thought", "input": "call", "tool_use_id": "result"}
