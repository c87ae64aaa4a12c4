"""Supervisors that are paused with SIGSTOP and continue afterwards."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from agent_orchestrator.runs.supervision.one_run import HEARTBEATS_PER_TERM
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.commands.processes import is_alive
from tests.stress.scene import SHORT_LEASE_SECONDS, SLACK_SECONDS, TICK_SECONDS, Scene
from tests.support.campaign import Campaign, spread
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress

HEARTBEAT_SECONDS = DEFAULT_LEASE_SECONDS / HEARTBEATS_PER_TERM


def test_pause_shorter_than_a_lease_changes_nothing(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=2, long=100)
    seconds = campaign.count(short=1, long=30)

    def until(number: int) -> Path:
        return scene.directory / f"short-pause-{number}.until"

    def start(number: int) -> str:
        name = f"short-pause-{number}"
        session = scene.start(name, *scene.family(name, "alone", f"until={until(number)}"))
        scene.await_pids(name)
        return str(session["session_id"])

    def pause(number: int) -> None:
        session_id = started[number]
        supervisor = scene.await_supervisor(session_id)
        if campaign.is_long:  # anywhere between two renewals
            campaign.pause(campaign.chance(number), 0, HEARTBEAT_SECONDS - SLACK_SECONDS)
        os.kill(supervisor.pid, signal.SIGSTOP)
        campaign.pause(campaign.chance(number), seconds / 2, seconds)
        assert scene.records.get_session(session_id)["status"] == "running"
        os.kill(supervisor.pid, signal.SIGCONT)
        until(number).touch()
        assert scene.await_end(session_id)["reason"] == "completed"
        kinds = scene.kinds(session_id)
        assert kinds == ["message", "session_stop"]

    started = campaign.rounds(start, count)
    campaign.rounds(pause, count, at_once=count)
    campaign.tell(f"{count} pauses of {seconds} s within a lease: no run was lost")


@pytest.mark.short_leases
def test_supervisor_resumes_its_lost_run_after_a_pause(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=1, long=100)

    def play(number: int) -> tuple[float, float]:
        name = f"pause-{number}"
        until = scene.directory / f"{name}.until"
        session = scene.start(name, *scene.family(name, "alone", f"until={until}"))
        session_id = session["session_id"]
        scene.await_pids(name)
        supervisor = scene.await_supervisor(session_id)
        os.kill(supervisor.pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        # Time may not pass faster for the other runs of the long form.
        lost_run = (
            scene.await_reason(session_id, "lost")
            if campaign.is_long
            else scene.await_loss(session_id)
        )
        assert lost_run["status"] == "finished"
        lost = time.monotonic() - stopped_at
        os.kill(supervisor.pid, signal.SIGCONT)
        woken_at = time.monotonic()
        adopted = scene.await_reason(session_id, None)
        assert (adopted["status"], adopted["run"]) == ("running", 1)
        back = time.monotonic() - woken_at
        until.touch()
        ended = scene.await_end(session_id)
        assert (ended["reason"], ended["exit_code"], ended["run"]) == ("completed", 0, 1)
        kinds = scene.kinds(session_id)
        assert kinds == ["message", "session_stop"]
        return lost, back

    played = campaign.rounds(play, count, at_once=8)
    campaign.tell(f"{count} pauses: each run lost and resumed")
    campaign.limit(
        "seconds until a paused run is lost",
        max(lost for lost, _ in played),
        SHORT_LEASE_SECONDS + TICK_SECONDS + SLACK_SECONDS,
    )
    campaign.tell(f"resumed after {spread([back for _, back in played])}")


@pytest.mark.short_leases
def test_supervisor_stops_its_agent_after_a_takeover(campaign: Campaign, scene: Scene) -> None:
    session = scene.start("x", *scene.family("old"))
    session_id = session["session_id"]
    old_pids = scene.await_pids("old", 3)
    old = scene.await_supervisor(session_id)
    os.kill(old.pid, signal.SIGSTOP)
    until = scene.directory / "until"
    program = scene.family("new", "alone", f"until={until}")
    resumed = scene.shell.run("ao-resume", "x", "--takeover", "-d", "--", *program)
    assert resumed.exit_code == 0, resumed
    scene.await_pids("new")
    os.kill(old.pid, signal.SIGCONT)
    woken_at = time.monotonic()
    wait_for(lambda: not any(map(is_alive, old_pids)), "its agent ends")
    gone = time.monotonic() - woken_at
    wait_for(lambda: not is_alive(old.pid), "the old supervisor ends as well")
    session = scene.records.get_session(session_id)
    assert (session["status"], session["run"], session["reason"]) == ("running", 2, None)
    until.touch()
    ended = scene.await_end(session_id)
    assert (ended["reason"], ended["run"]) == ("completed", 2)
    (late_stop,) = (e for e in scene.events(session_id, 1) if e["event_type"] == "session_stop")
    assert (late_stop["reason"], late_stop["late"]) == ("stopped", True)
    first, second = scene.records.list_runs(session_id)
    assert (first["reason"], second["reason"]) == ("lost", "completed")
    campaign.tell(f"the old agent was gone {gone:.1f} s after its supervisor woke up")
