"""A manager that is killed or away for a long time during runs: the record is complete."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import Json
from tests.commands.processes import is_alive
from tests.commands.shell import DONE
from tests.stress.scene import SHORT_LEASE_SECONDS, Scene, timed
from tests.support.campaign import Campaign, spread
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress

KINDS: tuple[tuple[str, ...], ...] = (("slow",), ("alone", "polite"), ())
STUBBORN_KINDS = (*KINDS, ("stubborn",), ("stubborn", "slow"))
LADDER_SECONDS = 13.0
"""SIGINT, SIGTERM, SIGKILL: the sum of the maximum waits after each."""
COMMAND_SECONDS = 10.0
"""Tolerance for the commands, as several run at once."""


def test_runs_survive_manager_kills_with_complete_record(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=2, long=60)
    chance = campaign.chance()
    until = scene.directory / "until"
    names = [f"run-{number}" for number in range(campaign.count(short=2, long=8))]
    assignments = [
        scene.create(name, scene.family(name, "alone", f"until={until}", "pause=30"))
        for name in names
    ]
    supervisors = [scene.supervise(assignment) for assignment in assignments]
    for name in names:
        scene.await_pids(name)
    down = []
    for _ in range(count):
        campaign.pause(chance, 0.02, 0.5)
        scene.manager.kill()
        killed_at = time.monotonic()
        scene.manager.restart()
        down.append(time.monotonic() - killed_at)
    until.touch()
    ended_at = time.monotonic()
    for assignment in assignments:
        scene.await_end(assignment.session_id)
    late = time.monotonic() - ended_at
    for supervisor in supervisors:
        supervisor.wait()
    assert _leftovers(scene) == []
    total = 0
    for assignment in assignments:
        session = scene.records.get_session(assignment.session_id)
        assert (session["run"], session["reason"], session["exit_code"]) == (1, "completed", 0)
        *lines, stop = scene.kept_events(assignment.session_id)
        assert stop["event_type"] == "session_stop"
        said = [line["content"][0]["text"] for line in lines]
        assert said == [f"{number}\n" for number in range(1, len(said) + 1)]
        total += len(said)
    campaign.tell(f"{count} kills under {len(names)} runs: all completed, seed {campaign.seed!r}")
    campaign.tell(f"{total} events, each stored once and in order")
    campaign.tell(f"downtime: {spread(down)}; all delivered {late:.1f} s after the last end")


@pytest.mark.short_leases
def test_run_that_ends_during_long_outage_has_its_true_end(
    campaign: Campaign, scene: Scene
) -> None:
    until = scene.directory / "until"
    session = scene.start("x", *scene.family("x", "alone", f"until={until}"))
    (pid,) = scene.await_pids("x")
    supervisor = scene.await_supervisor(session["session_id"])
    scene.manager.kill()
    until.touch()
    wait_for(lambda: not is_alive(pid), "the agent ends")
    scene.manager.time.set_clock_ahead(SHORT_LEASE_SECONDS * 1.5)
    assert is_alive(supervisor.pid)
    scene.manager.restart()
    back_at = time.monotonic()
    ended = scene.await_end(session["session_id"])
    campaign.tell(
        f"its true end was stored {time.monotonic() - back_at:.1f} s after the manager was back"
    )
    assert (ended["reason"], ended["exit_code"], ended["run"]) == ("completed", 0, 1)
    kinds = scene.kinds(session["session_id"])
    assert kinds == ["message", "session_stop"]
    wait_for(lambda: not is_alive(supervisor.pid), "the supervisor ends")
    assert _leftovers(scene) == []


def test_agents_survive_manager_kills_and_stop_completely(campaign: Campaign, scene: Scene) -> None:
    agents = campaign.count(short=3, long=20)
    waves = campaign.count(short=1, long=10)
    kills = campaign.count(short=1, long=20)
    kinds = STUBBORN_KINDS if campaign.is_long else KINDS
    chance = campaign.chance()
    took: list[float] = []
    for wave in range(waves):
        names = [f"agent-{wave}-{number}" for number in range(agents)]

        def begin(number: int, names: list[str] = names) -> Json:
            name = names[number]
            session = scene.start(name, *scene.family(name, *kinds[number % len(kinds)]))
            scene.await_pids(name)
            return session

        sessions = campaign.rounds(begin, agents)
        for _ in range(kills):
            campaign.pause(chance, 0.02, 0.5)
            scene.manager.kill()
            scene.manager.restart()
        for session in sessions:
            assert scene.await_reason(session["session_id"], None)["status"] == "running"

        def end(number: int, names: list[str] = names, sessions: list[Json] = sessions) -> float:
            name, session_id = names[number], sessions[number]["session_id"]
            marker = scene.await_supervisor(session_id).marker
            seconds, ended = timed(lambda: scene.shell.run("ao-stop", name))
            assert (ended.exit_code, ended.stdout) == (DONE, f"{name} stopped\n"), ended
            assert scene.remaining(name, marker) == []
            assert scene.records.get_session(session_id)["reason"] == "stopped"
            said = [event["event_type"] for event in scene.events(session_id)]
            assert (said[0], said[-1]) == ("message", "session_stop")
            return seconds

        took += campaign.rounds(end, agents, at_once=10)
    campaign.tell(
        f"{waves * kills} kills under {agents} agents of {len(kinds)} kinds: every run continued, "
        f"seed {campaign.seed!r}"
    )
    campaign.tell(f"{len(took)} stopped, no process left: {spread(took)}")
    campaign.limit("the slowest, in seconds", max(took), LADDER_SECONDS + COMMAND_SECONDS)


def _leftovers(scene: Scene) -> list[Path]:
    """Return files of runs in the state directory; none after the manager has all events."""
    return [*scene.state_dir.glob("outbox/*"), *scene.state_dir.glob("runs/*")]
