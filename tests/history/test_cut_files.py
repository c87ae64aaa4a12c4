"""Files that are cut at any byte: a part gives nothing wrong, and the whole gives everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.history.format import Format
from agent_orchestrator.history.importer.sources.format_table import all_formats
from agent_orchestrator.history.importer.sources.one_source import NotUnderstoodError, OneSource
from agent_orchestrator.history.importer.sources.state import Progress, continuation
from tests.support.campaign import Campaign
from tests.support.codex_rollouts import THREAD, event, reply, session_meta, token_count
from tests.support.rows import each_row
from tests.support.transcript_files import Transcript

AT = {"timestamp": "2026-11-27T16:00:00.000Z"}
WORDS = 'é "𝄞" \\ '
"""Characters of several bytes, and such that are escaped."""
Found = tuple[dict[str, Any], dict[str, Any]]
"""Events by their ids, and the counts of requests by their keys."""


def claude(root: Path) -> tuple[Path, bytes]:
    made = Transcript()
    made.prompt(WORDS)
    made.call("Bash", WORDS)
    made.answer({"type": "text", "text": WORDS})
    for line in made.lines:
        del line["version"], line["isSidechain"]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in made.lines)
    return root / "p" / f"{made.session_id}.jsonl", text.encode()


def codex(root: Path) -> tuple[Path, bytes]:
    said = {"type": "output_text", "text": WORDS}
    lines = (
        session_meta(),
        event("task_started", turn_id="t"),
        reply("message", role="user", content=[{"type": "input_text", "text": WORDS}]),
        event("user_message", message=WORDS),
        reply("message", role="assistant", content=[said]),
        token_count(1100, 1100),
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return root / f"rollout-2026-03-01T10-00-00-{THREAD}.jsonl", text.encode()


def gemini(root: Path) -> tuple[Path, bytes]:
    tokens = {"input": 30, "output": 7, "cached": 20}
    lines = (
        {"sessionId": "s1", "kind": "main"},
        {"id": "u", **AT, "type": "user", "content": WORDS},
        {"id": "a", **AT, "type": "gemini", "content": WORDS, "tokens": tokens},
        {"$set": {"summary": WORDS}},
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return root / "p" / "chats" / "session-s1.jsonl", text.encode()


def copilot(root: Path) -> tuple[Path, bytes]:
    usage = {"inputTokens": 30, "outputTokens": 7, "cacheReadTokens": 20, "apiCallId": "c"}
    lines = (
        {"id": "1", **AT, "type": "session.start", "data": {"context": {"cwd": "/p"}}},
        {"id": "2", **AT, "type": "user.message", "data": {"content": WORDS}},
        {"id": "3", **AT, "type": "session.usage_record", "data": {"usage": usage}},
        {"id": "4", **AT, "type": "assistant.message", "data": {"content": WORDS}},
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return root / "session-state" / "s1" / "events.jsonl", text.encode()


def read_on(form: Format, root: Path, found: Found, known: Progress | None) -> Progress | None:
    """Add what an import would send after this place; return the place after it."""
    (source,) = form.find(root)
    place = continuation(form, source, known)
    if place is None:
        return known
    one = OneSource(form, source, place)
    try:
        for batch, _ in one.read():
            known = batch.progress
            for part in batch.parts:
                found[0].update((each["event_id"], each) for each in part.events)
                found[1].update((each["key"], each["counts"]) for each in part.requests)
    except NotUnderstoodError:
        return None
    assert not one.seen.broken_count, one.seen.broken
    return known


@pytest.mark.stress
@each_row("write", [claude, codex, gemini, copilot])
def test_file_cut_at_any_byte_and_completed_is_the_whole(
    tmp_path: Path, campaign: Campaign, write: Callable[[Path], tuple[Path, bytes]]
) -> None:
    """A short run tries each kind of place; inside of plain text, only some of them."""
    form, root = all_formats()[write.__name__], tmp_path / write.__name__
    path, content = write(root)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    whole: Found = ({}, {})
    read_on(form, root, whole, None)
    assert len(whole[0]) >= 2 and len(whole[1]) >= 1, whole
    places = set(range(1, len(content), campaign.count(short=11, long=1)))
    for place, byte in enumerate(content):
        # A line ends, an escape begins, or it is a part of a character.
        if byte in b"\n\\" or byte >= 0x80:
            places.update(range(place - 1, place + 3))
    for end in sorted(places & set(range(1, len(content)))):
        found: Found = ({}, {})
        path.write_bytes(content[:end])
        known = read_on(form, root, found, None)
        early = {name: each for name, each in found[0].items() if whole[0].get(name) != each}
        assert not early, (end, early)
        path.write_bytes(content)
        read_on(form, root, found, known)
        assert found == whole, end
