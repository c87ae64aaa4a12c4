"""Transcripts for imports that are killed, and everything that an import has stored."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.commands.shell import Shell
from tests.stress.scene import Scene
from tests.support.transcript_files import Transcript


def made(chance: Random, *, files: int, turns: int) -> list[Transcript]:
    """Return transcripts. Every third is a fork of the transcript before it."""
    transcripts: list[Transcript] = []
    for number in range(1, files + 1):
        transcript = Transcript(number)
        if number % 3 == 0:
            origin = transcripts[-1]
            for line in origin.lines:
                is_model = line["type"] == "assistant"
                mark = {"requestSessionId": origin.session_id} if is_model else {}
                transcript.lines.append({**line, "sessionId": transcript.session_id, **mark})
        for turn in range(chance.randint(1, turns)):
            transcript.turn(f"turn {turn} of {number} " + "x" * chance.randrange(2000))
        transcripts.append(transcript)
    return transcripts


def stored(scene: Scene, transcripts: list[Transcript]) -> list[Any]:
    """Return everything that an import has stored, without the times of the import."""
    found = []
    for transcript in transcripts:
        session = scene.records.get_session(transcript.session_id)
        events = scene.events(transcript.session_id)
        key = {"project_key": "sessions", "session_id": transcript.session_id}
        lines = [line for page in scene.records.iterate_entries(key) for line in page]
        for event in events:
            del event["recorded_at"]
        facts = {name: session[name] for name in ("usage", "state", "last_seq", "created_at")}
        found.append((facts, events, lines))
    return found


def begin_again(scene: Scene, person: Shell, transcripts: list[Transcript]) -> None:
    """Delete all sessions and the memory of the importer, so that kills meet every stage."""
    for transcript in transcripts:
        if scene.records.get_status(transcript.session_id) != "not_existent":
            scene.records.delete_session(transcript.session_id)
    for path in person.state_dir.glob("import.db*"):
        path.unlink()
