"""Importer and manager, with its indexer, killed: in the end everything is there exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from agent_orchestrator.client.manager import Json
from agent_orchestrator.events.prepare import text_content
from agent_session_manager.sql.search import index_program
from agent_session_manager.sql.search.base import record
from tests.commands.processes import is_alive
from tests.commands.shell import DONE, Shell
from tests.stress.imports import begin_again, made, stored
from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for

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
    assert found_by_search(scene.manager) == searched
    again = person.run("ao-import", "--json").json
    assert (again["events"], again["requests"], again["unchanged"]) == (0, 0, files)
    campaign.tell(f"{count} kills of an import of {files} files: {dict(killed)}; all as expected")


def small_steps() -> None:
    """Let the manager read a few events at once, so that much is left for the index process."""
    record.EVENTS_AT_ONCE = 4


def test_index_is_whole_after_kills_of_its_process(
    campaign: Campaign, start_manager: Callable[..., RunningManager]
) -> None:
    count, events = campaign.count(short=3, long=100), campaign.count(short=100, long=1000)
    chance = campaign.chance()
    manager = start_manager(prepare=small_steps)
    killed = set()
    with Api(manager) as api:
        assert api.post("/sessions", {"session_id": "s", "session_name": "s"}).status == 201
        for _ in range(count):
            said = [says(f"turn {chance.randbytes(400).hex(' ')}") for _ in range(events)]
            assert api.post("/sessions/s/events", said).status == 201
            process = wait_for(lambda: index_process_of(manager), "the index has its process")
            campaign.pause(chance, 0.0, 0.2)
            process.kill()
            killed.add(process.pid)
    assert found_by_search(manager) == {("s", seq + 1) for seq in range(count * events)}
    assert len(killed) == count
    campaign.tell(f"{count} kills of the index process, with {events} events before each")


def says(text: str) -> Json:
    return {"event_type": "message", "role": "user", "content": text_content(text)}


def index_process_of(manager: RunningManager) -> psutil.Process | None:
    """Return the living index process of a manager."""
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process(manager.pid).children():
            if index_program.__name__ in each.cmdline() and is_alive(each.pid):
                return each
    return None


def found_by_search(manager: RunningManager) -> set[tuple[str, int]]:
    """Return the events that an index which is up to date finds by a word of all turns."""
    found: set[tuple[str, int]] = set()
    query: dict[str, Any] = {"q": "turn", "limit": 100}
    with Api(manager) as api:
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
    searched = found_by_search(scene.manager)
    begin_again(scene, person, transcripts)
    return expected, searched
