"""Rollouts of Codex for tests: samples that a real Codex wrote, and records made here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agent_orchestrator.history.format import Place, Source
from agent_orchestrator.history.formats.codex import FORMAT
from agent_orchestrator.history.items import FoundEvent, Item, ModelRequest, TurnEnd

Json = Any

SAMPLES = Path(__file__).parents[1] / "history/samples/codex"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.jsonl"))
THREAD = "01a21dd5-a6e5-7f42-9fc9-198742776c0a"
OLDER_THREAD = "01a21dd8-d754-7563-babf-4ce0619981a6"
TURN = "01a21dd5-a6ef-79e1-8283-d11370cd9c77"
SUMMED = ("input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens")


def source(name: str = "thread.jsonl") -> Source:
    return Source(path=SAMPLES / name, root=SAMPLES)


def lines(name: str) -> list[Json]:
    return [json.loads(line) for line in (SAMPLES / f"{name}.jsonl").read_text().splitlines()]


def read(records: Iterable[Json], name: str = "thread.jsonl") -> list[Item]:
    parser = FORMAT.parser(source(name), None)
    return [
        item
        for number, record in enumerate(records, 1)
        for item in parser.read(record, Place(number, 0))
    ]


def record(kind: str, payload: Json, **envelope: Json) -> Json:
    return {"timestamp": "2026-11-27T16:00:00.000Z", "type": kind, "payload": payload, **envelope}


def session_meta(**fields: Json) -> Json:
    return record("session_meta", {"id": THREAD, "cwd": "/home/me/project", **fields})


def reply(kind: str, **fields: Json) -> Json:
    return record("response_item", {"type": kind, **fields})


def event(kind: str, **fields: Json) -> Json:
    return record("event_msg", {"type": kind, **fields})


def token_count(total: int, last: int) -> Json:
    return event(
        "token_count",
        info={"total_token_usage": counters(total), "last_token_usage": counters(last)},
    )


def counters(total: int) -> Json:
    return {"input_tokens": total - 10, "output_tokens": 10, "total_tokens": total}


def usage_record(response_id: str | None, total: int, thread_total: int, **fields: Json) -> Json:
    return record(
        "token_usage_record",
        {
            "thread_id": THREAD,
            "response_id": response_id,
            "usage": counters(total),
            "thread_token_usage": counters(thread_total),
            **fields,
        },
    )


def events(items: Iterable[Item], *, inherited: bool | None = None) -> list[Json]:
    return [
        item.event
        for item in items
        if isinstance(item, FoundEvent) and inherited in (None, item.is_inherited)
    ]


def requests(items: Iterable[Item]) -> list[ModelRequest]:
    return [item for item in items if isinstance(item, ModelRequest) and not item.is_inherited]


def tokens(items: Iterable[Item]) -> int:
    """Sum of the tokens of distinct requests."""
    counts = {request.key: request.counts for request in requests(items)}
    return sum(
        count for by_name in counts.values() for name, count in by_name.items() if name in SUMMED
    )


def shape(found: Json) -> str:
    """Return an event as one short text."""
    words = [found["event_type"], found.get("role"), found.get("origin"), found.get("tool_name")]
    content = [block.get("text", block["type"]) for block in found.get("content", [])]
    return " ".join([*(word for word in words if word), *content]).replace("\n", "|")


def ends(items: Iterable[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, TurnEnd)]
