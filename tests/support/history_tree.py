"""A home directory with the history of every agent: all samples, and transcripts made by tests."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from backports import zstd

from tests.support import predecessor_files
from tests.support.opencode_samples import NEW, OLD, build
from tests.support.transcript_files import Transcript

SAMPLES = Path(__file__).parents[1] / "history" / "samples"
CODEX = (
    *("thread", "fork", "fork-of-fork", "subagent", "older-thread", "older-fork"),
    *("older-fork-of-fork", "older-subagent"),
    *("reverted", "reverted-once", "reverted-twice"),
)
PREDECESSOR = Path(".agent-orchestrator", "agent-sessions")


def write_tree(home: Path) -> None:
    """Write the tree. The samples of Codex get a real provider, so that they have a price."""
    shutil.copytree(SAMPLES / "claude", home / ".claude" / "projects")
    for transcript in (unusual(), *copied()):
        transcript.write(home)
    codex = home / ".codex" / "sessions" / "2026" / "11" / "27"
    codex.mkdir(parents=True)
    for place, name in enumerate(CODEX):
        content = (SAMPLES / "codex" / f"{name}.jsonl").read_text()
        content = content.replace('"model_provider":"fake"', '"model_provider":"openai"')
        thread = json.loads(content.splitlines()[0])["payload"]["id"]
        path = codex / f"rollout-2026-11-27T10-00-{place:02}-{thread}.jsonl"
        if place % 2:
            path = path.with_suffix(".jsonl.zst")
            path.write_bytes(zstd.compress(content.encode()))
        else:
            path.write_text(content)
    chats = home / ".gemini" / "tmp" / "project" / "chats"
    for sample in (SAMPLES / "gemini").glob("*.jsonl"):
        folder = chats if sample.stem.startswith("session-") else chats / "parent"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample, folder)
    for name in ("events", "subagent"):
        sample = SAMPLES / "copilot" / f"{name}.jsonl"
        session_id = json.loads(sample.read_text().splitlines()[0])["data"]["sessionId"]
        folder = home / ".copilot" / "session-state" / session_id
        folder.mkdir(parents=True)
        shutil.copy(sample, folder / "events.jsonl")
    with closing(sqlite3.connect(home / ".copilot" / "session-store.db")) as database:
        database.executescript((SAMPLES / "copilot" / "session-store.sql").read_text())
    build(home / ".local/share/opencode/opencode.db", OLD)
    build(home / ".local/share/opencode/opencode-next.db", NEW)
    (home / PREDECESSOR).mkdir(parents=True)
    predecessor_files.write(home / PREDECESSOR, predecessor_files.RUN)


def usage(**changed: Any) -> dict[str, Any]:
    counts = ("input_tokens", "output_tokens", "cache_read_input_tokens")
    return {**dict.fromkeys(counts, 100), "cache_creation_input_tokens": 300, **changed}


def unusual() -> Transcript:
    """Return a session with the requests that other tools count wrongly."""
    made = Transcript(7001)
    made.prompt("Count me")
    for message in (
        {"usage": usage(cache_creation={"ephemeral_1h_input_tokens": 200})},
        {"usage": usage(speed="standard", inference_geo="us")},
        {"usage": usage(server_tool_use={"web_search_requests": 3})},
        {"usage": usage(iterations=[advice()])},
        {"usage": usage(), "id": None},
        {"usage": usage(), "model": "<synthetic>"},
        {"usage": usage(), "model": "a-model-without-a-price"},
    ):
        made.answer({"type": "text", "text": "An answer"})
        made.lines[-1]["message"] |= message
    for output in (1, 40, 90):  # the counts of one message grow from line to line
        made.answer({"type": "text", "text": f"Part {output}"})
        made.lines[-1]["message"] |= {"id": "msg_growing", "usage": usage(output_tokens=output)}
    made.lines[-1]["requestId"] = "req_of_the_last_line"
    return made


def advice() -> dict[str, Any]:
    """Return a request of another model inside a request, which the outer counts do not have."""
    return {"type": "advisor_message", "model": "claude-opus-5-5", **usage(output_tokens=7)}


def copied() -> list[Transcript]:
    """Return a session, and a fork of it that repeats its lines and continues."""
    original, fork = Transcript(7002), Transcript(7003)
    original.turn()
    original.turn("And then?")
    for line in original.lines:
        of_fork = fork.add(line["type"])
        origin = {"requestSessionId": original.session_id} if line["type"] == "assistant" else {}
        of_fork |= {**line, "sessionId": fork.session_id, **origin}
    fork.turn("Only in the fork")
    return [original, fork]
