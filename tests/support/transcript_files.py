"""Transcripts as Claude Code writes them, made by tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

KEY = "-home-user-project"
PROJECT = "/home/user/project"
_BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass
class Transcript:
    """The lines of one session. The ids follow from its number, so that two can be compared."""

    number: int = 1
    lines: list[dict[str, Any]] = field(default_factory=list)
    begin: datetime = _BEGIN

    @property
    def session_id(self) -> str:
        return str(UUID(int=self.number))

    def add(self, kind: str, **fields: Any) -> dict[str, Any]:
        place = len(self.lines)
        line = {
            "type": kind,
            "uuid": str(UUID(int=self.number * 10**9 + place + 1)),
            "timestamp": (self.begin + timedelta(minutes=place)).isoformat(),
            "sessionId": self.session_id,
            "cwd": PROJECT,
            "version": "2.1.330",
            "isSidechain": False,
            **fields,
        }
        self.lines.append(line)
        return line

    def prompt(self, text: str, **fields: Any) -> None:
        self.add("user", message={"role": "user", "content": text}, **fields)

    def answer(self, *blocks: dict[str, Any], ends: bool = True, **fields: Any) -> None:
        message = {
            "id": f"msg_{self.number}_{len(self.lines)}",
            "role": "assistant",
            "model": "claude-opus-5-5",
            "content": list(blocks),
            "stop_reason": "end_turn" if ends else "tool_use",
            "usage": {
                "input_tokens": 11,
                "output_tokens": 42,
                "cache_read_input_tokens": 2000,
                "cache_creation_input_tokens": 1000,
            },
        }
        self.add("assistant", message=message, **fields)

    def call(self, name: str, output: Any, **fields: Any) -> None:
        """Add a call of a tool with its result."""
        call = f"toolu_{self.number}_{len(self.lines)}"
        self.answer({"type": "tool_use", "id": call, "name": name, "input": {"x": 1}}, ends=False)
        result = {"type": "tool_result", "tool_use_id": call, "content": output}
        self.add("user", message={"role": "user", "content": [result]}, **fields)

    def turn(self, text: str = "Fix the login") -> None:
        """Add a prompt, a call and an answer: three lines of events, and two requests."""
        self.prompt(text)
        self.call("Bash", "done")
        self.answer({"type": "text", "text": f"Answer to: {text}"})

    def text(self) -> str:
        return "".join(json.dumps(line) + "\n" for line in self.lines)

    def write(self, home: Path, *, key: str = KEY) -> Path:
        """Write the transcript below a home directory, and return its path."""
        path = home / ".claude" / "projects" / key / f"{self.session_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(), "utf-8")
        return path
