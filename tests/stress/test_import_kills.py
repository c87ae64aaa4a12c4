"""Importer and manager killed during imports: in the end everything is there, exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any

import pytest

from tests.commands.shell import DONE, Shell
from tests.stress.imports import begin_again, made, stored
from tests.stress.scene import Scene
from tests.support.campaign import Campaign
from tests.support.transcript_files import Transcript

pytestmark = pytest.mark.stress

FILES, TURNS = 24, 30


def test_killed_imports_end_as_an_undisturbed_one(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=5, long=100)
    chance = campaign.chance()
    transcripts = made(chance, files=FILES, turns=TURNS)
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
