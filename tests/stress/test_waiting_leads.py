"""A lead whose supervisor waits for notices, while its manager is killed."""

from __future__ import annotations

import re
import sys

import pytest

from agent_orchestrator.client.manager import Json
from agent_orchestrator.runs.registry import list_registered
from tests.commands.test_ao_notify import LEAD, child
from tests.stress.scene import Scene
from tests.support.campaign import Campaign
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress

TOLD = re.compile(r'^Session "([^"]+)" ', re.M)


def test_waiting_lead_hears_all_over_manager_kills(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=1, long=40)
    children = campaign.count(short=3, long=5)
    for number in range(count):
        chance = campaign.chance(number)
        names = [f"{number}-{each}" for each in range(children)]
        commands = [
            child(name, "sh", "-c", f"sleep {chance.uniform(0, 4):.2f}; echo {name}")
            for name in names
        ]
        lead = scene.start(f"lead-{number}", sys.executable, "-c", LEAD, *commands)
        session_id: str = lead["session_id"]
        assert scene.await_end(session_id)["reason"] == "completed"
        for _ in range(2):
            campaign.pause(chance, 0.0, 2.0)
            scene.manager.kill()
            scene.manager.restart()
        wait_for(lambda: not list_registered(scene.state_dir), "no supervisor is left", every=0.1)
        assert sorted(_told(scene, session_id)) == names
        assert scene.records.get_session(session_id)["reason"] == "completed"
    campaign.tell(f"{count} rounds with 2 kills: each of {children} ends told once")


def _told(scene: Scene, session_id: str) -> list[str]:
    events: list[Json] = list(scene.records.iterate_events(session_id))
    texts = [e["content"][0]["text"] for e in events if e.get("origin") == "notice"]
    return [name for text in texts for name in TOLD.findall(text)]
