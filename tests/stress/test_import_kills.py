"""Importer and manager, with its indexer, killed: in the end everything is there exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.commands.shell import DONE, Shell
from tests.stress.imports import begin_again, made, stored
from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.indexed import wait_for_index
from tests.support.transcript_files import Transcript

pytestmark = pytest.mark.stress


def test_killed_imports_end_as_an_undisturbed_one(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=2, long=100)
    files = campaign.count(short=9, long=24)
    longest = 1.0 if campaign.is_long else 0.4
    chance = campaign.chance()
    transcripts = made(chance, files=files, turns=campaign.count(short=12, long=30))
    home = campaign.directory / "home"
    for transcript in transcripts:
        transcript.write(home)
    person = scene.shell.having(HOME=str(home))
    expected, searched = undisturbed(scene, person, transcripts)
    assert len(searched) > files
    killed: Counter[str] = Counter()
    for _ in range(count):
        running = person.start("ao-import")
        campaign.pause(chance, 0.05, longest)
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
    assert found_by_search(scene) == searched
    again = person.run("ao-import", "--json").json
    assert (again["events"], again["requests"], again["unchanged"]) == (0, 0, files)
    campaign.tell(f"{count} kills of an import of {files} files: {dict(killed)}; all as expected")


def found_by_search(scene: Scene) -> set[tuple[str, int]]:
    """Return the events that an index which is up to date finds by a word of all turns."""
    found: set[tuple[str, int]] = set()
    query: dict[str, Any] = {"q": "turn", "limit": 100}
    with Api(scene.manager) as api:
        wait_for_index(api)
        while True:
            page = api.get(f"/search?{urlencode(query)}").json
            found |= {(hit["session_id"], hit["seq"]) for hit in page["hits"]}
            if page["next_page"] is None:
                return found
            query["page"] = page["next_page"]


def undisturbed(
    scene: Scene, person: Shell, transcripts: list[Transcript]
) -> tuple[list[Any], set[tuple[str, int]]]:
    """Import everything; return the stored parts, and the events that a search finds."""
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
    searched = found_by_search(scene)
    begin_again(scene, person, transcripts)
    return expected, searched
