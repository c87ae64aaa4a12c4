"""Reads transcripts of Claude Code as an importer does, and builds lines of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent_orchestrator.history.format import LineParser, Place, Source
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.items import Item

SAMPLES = Path(__file__).parents[1] / "history" / "samples" / "claude"
PROJECT = "-home-user-project"
SESSION = "0b8f5a0e-4c3d-4f5a-9b1e-2d6c7a8b9c0d"
TIME = "2026-11-27T10:00:00.000Z"


def read_file(path: Path, root: Path = SAMPLES) -> list[Item]:
    """Return the items of a transcript."""
    source = Source(path=path, root=root)
    return list(read_lines(FORMAT.parser(source, None), path.read_bytes()))


def read_lines(parser: LineParser, content: bytes) -> Iterator[Item]:
    offset = 0
    for number, line in enumerate(content.splitlines(keepends=True), 1):
        yield from parser.read(json.loads(line), Place(number, offset))
        offset += len(line)


def sample(session_id: str) -> Path:
    return SAMPLES / PROJECT / f"{session_id}.jsonl"


def written(root: Path, lines: Iterable[Any], *, name: str = f"{SESSION}.jsonl") -> Path:
    """Write a transcript of a project below a root, and return its path."""
    path = root / PROJECT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines))
    return path


def read_records(root: Path, *lines: Any) -> list[Item]:
    """Return the items of a transcript of these lines."""
    return read_file(written(root, lines), root)


def message(kind: str, uuid: str, content: Any, **fields: Any) -> dict[str, Any]:
    """Return a line of the type `user`, or another with a message."""
    return {
        "type": kind,
        "uuid": uuid,
        "sessionId": SESSION,
        "timestamp": TIME,
        "message": {"role": kind, "content": content},
        **fields,
    }


def answer(
    uuid: str, *blocks: Mapping[str, Any], of: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return a line of the model; `of` has further fields of its message."""
    line = message("assistant", uuid, list(blocks), **fields)
    line["message"] |= {"id": f"msg_{uuid}", "model": "claude-opus-5-5"}
    line["message"] |= {"usage": {"output_tokens": 1}, **(of or {})}
    return line


def call(tool_use_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": tool_use_id, "name": name, "input": arguments}


def result(uuid: str, tool_use_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": tool_use_id, "content": content}
    return message("user", uuid, [block], **fields)


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}
