"""Foreground commands that lose their terminal or are killed: the run does not depend on them."""

from __future__ import annotations

from collections import Counter

import pytest

from agent_orchestrator.client.manager import Json
from tests.stress.scene import Scene, pids_in
from tests.support.campaign import Campaign
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.stress, pytest.mark.short_leases]

COMMAND_SECONDS = 1.0
"""The kill happens within this time: during the imports of the command, or while it follows."""


def test_run_is_never_half_started_and_reaches_its_end(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=3, long=120)

    def play(number: int) -> str:
        chance = campaign.chance(number)
        way = ("hung up", "killed", "interrupted")[number % 3]
        name = f"round-{number}"
        until = scene.directory / f"{name}.until"
        program = scene.family(name, "alone", "polite", f"until={until}")
        command = ("ao-new", name, "-p", "hi", "--executor", "command", "--", *program)
        with scene.shell.on_terminal(*command) as terminal:
            campaign.pause(chance, 0, COMMAND_SECONDS)
            if way == "killed":
                terminal.kill()
            elif way == "hung up":
                terminal.hang_up()
            else:
                terminal.types("\x03")
            code = terminal.wait()
        session = _session(scene, name)
        if way == "interrupted":
            assert code != 0
            reason = scene.await_end(session["session_id"])["reason"] if session else "never begun"
            assert reason in ("stopped", "failed", "never begun")
            return f"{way}, {reason}"
        if session is None:
            return f"{way}, never begun"
        wait_for(
            lambda: pids_in(scene.pids(name)) or _is_lost(scene, session),
            "its agent runs, or the run is lost",
        )
        until.touch()
        reason = scene.await_end(session["session_id"])["reason"]
        kinds = scene.kinds(session["session_id"])
        assert (reason, kinds) in (
            ("completed", ["message", "session_stop"]),
            ("lost", []),
        )
        return f"{way}, {reason}"

    played = campaign.rounds(play, count)
    campaign.tell(f"{count} commands: {dict(sorted(Counter(played).items()))}")
    left = [pid for n in range(count) for pid in scene.remaining(f"round-{n}", None)]
    assert left == []


def _session(scene: Scene, name: str) -> Json | None:
    return next(iter(scene.records.find_sessions(session_name=name)), None)


def _is_lost(scene: Scene, session: Json) -> bool:
    return bool(scene.records.get_session(session["session_id"])["reason"] == "lost")
