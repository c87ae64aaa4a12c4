"""Importer and manager killed during imports: in the end everything is there, exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.commands.shell import DONE, Shell
from tests.stress.scene import Scene
from tests.support.campaign import Campaign
from tests.support.transcript_files import Transcript

pytestmark = pytest.mark.stress

FILES, TURNS = 24, 30


def made(chance: Random) -> list[Transcript]:
    """Return transcripts. Every third is a fork of the transcript before it."""
    transcripts: list[Transcript] = []
    for number in range(1, FILES + 1):
        transcript = Transcript(number)
        if number % 3 == 0:
            origin = transcripts[-1]
            for line in origin.lines:
                is_model = line["type"] == "assistant"
                mark = {"requestSessionId": origin.session_id} if is_model else {}
                transcript.lines.append({**line, "sessionId": transcript.session_id, **mark})
        for turn in range(chance.randint(1, TURNS)):
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


def test_killed_imports_end_as_an_undisturbed_one(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=5, long=100)
    chance = campaign.chance()
    transcripts = made(chance)
    home = campaign.directory / "home"
    for transcript in transcripts:
        transcript.write(home)
    person = scene.shell.having(HOME=str(home))
    expected = undisturbed(scene, person, transcripts)
    killed: Counter[str] = Counter()
    for _ in range(count):
        running = person.start("ao-import")
        campaign.pause(chance, 0.05, 1.0)
        who = chance.choice(["importer", "manager", "both"])
        killed[who] += 1
        if who != "importer":
            scene.manager.kill()
        if who != "manager":
            running.signal(signal.SIGKILL)
        running.wait_for_death()
        if who != "importer":
            scene.manager.restart()
        if chance.random() < 0.3:
            begin_again(scene, person, transcripts)
    assert person.run("ao-import").exit_code == DONE
    assert stored(scene, transcripts) == expected
    again = person.run("ao-import", "--json").json
    assert (again["events"], again["requests"], again["unchanged"]) == (0, 0, FILES)
    campaign.tell(f"{count} kills of an import of {FILES} files: {dict(killed)}; all as expected")


def undisturbed(scene: Scene, person: Shell, transcripts: list[Transcript]) -> list[Any]:
    assert person.run("ao-import").exit_code == DONE
    expected = stored(scene, transcripts)
    usage = sum(facts["usage"]["output_tokens"] for facts, _, _ in expected)
    ids = {
        line["message"]["id"]
        for transcript in transcripts
        for line in transcript.lines
        if line["type"] == "assistant"
    }
    assert usage == 42 * len(ids)
    begin_again(scene, person, transcripts)
    return expected


def begin_again(scene: Scene, person: Shell, transcripts: list[Transcript]) -> None:
    """Delete all sessions and the memory of the importer, so that kills meet every stage."""
    for transcript in transcripts:
        if scene.records.get_status(transcript.session_id) != "not_existent":
            scene.records.delete_session(transcript.session_id)
    for path in person.state_dir.glob("import.db*"):
        path.unlink()
