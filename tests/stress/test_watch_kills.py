"""A watcher killed while files grow: in the end everything is there, exactly once."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent_orchestrator.session_client import SessionNotFoundError
from tests.commands.shell import DONE
from tests.stress.imports import begin_again, made, stored
from tests.stress.scene import Scene
from tests.support.campaign import Campaign
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress


def grow(path: Path, whole: bytes, chance: Random) -> None:
    """Append a part of a file's text, which can end within a line.

    Claude Code writes the copied lines of a fork together.
    """
    size = path.stat().st_size if path.exists() else 0
    copied = 0 if size else whole.find(b"\n", whole.rfind(b'"requestSessionId"')) + 1
    end = max(copied, size + chance.randrange(len(whole) // 3 + 1))
    with path.open("ab") as file:
        file.write(whole[size:end])


def is_stored(scene: Scene, transcripts: list[Transcript], expected: list[Any]) -> bool:
    """Return whether the record has everything, the transcripts too, which follow their events."""
    try:
        return stored(scene, transcripts) == expected
    except SessionNotFoundError:
        return False


def test_killed_watchers_end_as_an_undisturbed_import(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=1, long=100)
    files = campaign.count(short=6, long=9)
    chance = campaign.chance()
    transcripts = made(chance, files=files, turns=campaign.count(short=6, long=12))
    home = campaign.directory / "home"
    person = scene.shell.having(HOME=str(home))
    texts = {each.write(home): each.text().encode() for each in transcripts}
    assert person.run("ao-import").exit_code == DONE
    expected = stored(scene, transcripts)

    for number in range(count):
        if number % 10 == 0:
            begin_again(scene, person, transcripts)
            for path in texts:
                path.unlink(missing_ok=True)
        running = person.start("ao-import", "--watch")
        for _ in range(3):
            campaign.pause(chance, 0.0, 0.7)
            for path in chance.sample(list(texts), 3):
                grow(path, texts[path], chance)
        if chance.random() < 0.3:
            scene.manager.kill()
            scene.manager.restart()
        campaign.pause(chance, 0.0, 0.5)
        running.signal(signal.SIGKILL)
        running.wait_for_death()

    running = person.start("ao-import", "--watch")
    for path, whole in texts.items():
        with path.open("ab") as file:
            file.write(whole[file.tell() :])
    wait_for(lambda: is_stored(scene, transcripts, expected), "everything is imported")
    running.signal(signal.SIGKILL)
    running.wait_for_death()
    assert stored(scene, transcripts) == expected
    again = [person.run("ao-import", "--json").json for _ in range(2)]
    assert [each[name] for each in again for name in ("events", "requests")] == [0] * 4
    assert again[1]["unchanged"] == files
    campaign.tell(f"{count} kills of a watcher of {files} growing files; all as expected")
