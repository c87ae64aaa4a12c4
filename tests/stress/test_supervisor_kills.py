"""Supervisors killed at a random moment of a run: the record is correct, and no process is left."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random

import psutil
import pytest

from agent_orchestrator.client.manager import Json
from agent_orchestrator.runs.registry import RegisteredRun
from tests.commands.shell import DONE, FAILED, Ended
from tests.stress.scene import SHORT_LEASE_SECONDS, SLACK_SECONDS, TICK_SECONDS, Scene, Supervision
from tests.support.campaign import Campaign, spread
from tests.support.forking import forking
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = [pytest.mark.stress, pytest.mark.short_leases]

AT_ONCE = 6
LIFETIME_SECONDS = 2.0
"""Kills happen within this time after the supervisor's start."""
START_SECONDS = 0.1
"""Half of them happen within this time, also before the supervisor has registered its run."""
MAX_RESUMES = 5
AGENTS = (("lines=0",), ("lines=20", "alone"))
"""An agent with children that never ends, and an agent that ends about the time of the kills."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """The result of one kill; `running_seconds` is how long the session was `running` after it."""

    reason: str
    events: int
    running_seconds: float


def test_killed_supervisor_leaves_true_record_and_no_process(
    campaign: Campaign, scene: Scene
) -> None:
    count = campaign.count(short=2, long=200)

    def play(number: int) -> Killed:
        chance = campaign.chance(number)
        name = f"round-{number}"
        plays = _killed_through_ao_new if number % 2 else _killed_with_many_events
        return plays(campaign, scene, name, chance)

    played = campaign.rounds(play, count, at_once=AT_ONCE)
    reasons = Counter(killed.reason for killed in played)
    campaign.tell(f"{count} kills: {dict(reasons)}, seed {campaign.seed!r}")
    events = sum(killed.events for killed in played)
    campaign.tell(f"{events} events, 0 lost, 0 duplicates, in order")
    running = [killed.running_seconds for killed in played]
    campaign.tell(f"running after the kill: {spread(running)}")
    longest = SHORT_LEASE_SECONDS + TICK_SECONDS + SLACK_SECONDS
    campaign.limit("seconds that a killed run was `running`", max(running), longest)


def test_kill_of_an_ended_supervisor_is_no_error() -> None:
    """A random kill may come when the run has just ended."""
    lifeline, held = forking().Pipe(duplex=False)
    started = forking().Process(target=os.setsid)
    started.start()
    held.close()
    supervisor = Supervision(started=started, lifeline=lifeline)
    started.join(WATCHDOG_SECONDS)
    supervisor.kill()
    supervisor.wait()


def _killed_with_many_events(campaign: Campaign, scene: Scene, name: str, chance: Random) -> Killed:
    """Kill the supervisor of an agent that fills the outbox; compare each event of the outbox."""
    program = scene.family(name, *chance.choice(AGENTS), "pause=2")
    assignment = scene.create(name, program)
    supervisor = scene.supervise(assignment)
    campaign.pause(chance, 0, chance.choice((START_SECONDS, LIFETIME_SECONDS)))
    killed_at = _kill(supervisor)
    marker = _marker(scene, assignment.session_id)
    running_seconds = _clean_up(scene, name, assignment.session_id, marker, killed_at, chance)
    _resume(scene, name, assignment.session_id)
    events = scene.kept_events(assignment.session_id)
    said = [event["content"][0]["text"] for event in events if "content" in event]
    assert said == [f"{number}\n" for number in range(1, len(said) + 1)], (name, said)
    return Killed(
        reason=_reason(scene, assignment.session_id),
        events=len(events),
        running_seconds=running_seconds,
    )


def _killed_through_ao_new(campaign: Campaign, scene: Scene, name: str, chance: Random) -> Killed:
    """Kill the supervisor of a run started with `ao-new`, possibly just as it becomes ready."""
    program = scene.family(name, *chance.choice(AGENTS), "pause=10")
    command = scene.shell.start("ao-new", name, "-p", "hi", "--executor", "command", "--", *program)
    session = wait_for(
        lambda: next(iter(scene.records.find_sessions(session_name=name)), None),
        "the session is created",
    )
    session_id = session["session_id"]
    supervisor = _supervisor(scene, session_id)
    campaign.pause(chance, 0, LIFETIME_SECONDS)
    marker = _marker(scene, session_id)
    killed_at = _kill(supervisor)
    marker = marker or _marker(scene, session_id)
    running_seconds = _clean_up(scene, name, session_id, marker, killed_at, chance)
    ended = command.end()
    assert ended.exit_code in (DONE, FAILED)
    _resume(scene, name, session_id)
    kinds = [event["event_type"] for event in scene.events(session_id)]
    begun = kinds[:-1] if kinds[-1:] == ["session_stop"] else kinds
    assert set(begun) <= {"message"}, (name, kinds, ended)  # a program's output arrives in parts
    return Killed(
        reason=_reason(scene, session_id), events=len(kinds), running_seconds=running_seconds
    )


def _supervisor(scene: Scene, session_id: str) -> psutil.Process | None:
    """Return the process of a run's supervisor; None if it has already ended."""

    def found() -> list[RegisteredRun] | None:
        registration = scene.registration(session_id)
        is_over = scene.records.get_session(session_id)["status"] == "finished"
        return [registration] if registration else [] if is_over else None

    with suppress(psutil.NoSuchProcess):
        for registration in wait_for(found, "the run is supervised"):
            return psutil.Process(registration.pid)
    return None


def _kill(supervisor: psutil.Process | Supervision | None) -> float:
    """Kill the supervisor, unless it has ended; return the time, by the manager's clock."""
    with suppress(psutil.NoSuchProcess):
        if supervisor is not None:
            supervisor.kill()
            supervisor.wait(WATCHDOG_SECONDS)
    return time.time()


def _marker(scene: Scene, session_id: str) -> str | None:
    registration = scene.registration(session_id)
    return registration.marker if registration else None


def _clean_up(
    scene: Scene, name: str, session_id: str, marker: str | None, killed_at: float, chance: Random
) -> float:
    """Stop the remaining processes, now or when the run is lost; return the time it was running."""
    is_patient = chance.random() < 0.5
    if not is_patient:
        _clear(scene, name, marker, chance)
    running_seconds = _time_running(scene, session_id, killed_at)
    if is_patient:
        _clear(scene, name, marker, chance)
    return running_seconds


def _time_running(scene: Scene, session_id: str, killed_at: float) -> float:
    """Return how long the session was `running` after the kill, by the manager's record."""
    session = scene.await_end(session_id)
    finished_at = datetime.fromisoformat(session["finished_at"]).timestamp()
    return max(0.0, finished_at - killed_at)


def _clear(scene: Scene, name: str, marker: str | None, chance: Random) -> None:
    """Stop the remaining processes, with `ao-stop` or `ao-doctor --fix`; none may be left."""
    if chance.random() < 0.5:
        ended = scene.shell.run("ao-stop", name)
        assert ended.exit_code == DONE, ended
    else:
        scene.shell.run("ao-doctor", "--fix")
    assert scene.remaining(name, marker) == []


def _resume(scene: Scene, name: str, session_id: str) -> None:
    """Resume the session; again if its short lease expired before the supervisor started."""
    for run in range(2, 2 + MAX_RESUMES):
        # A run that no command started has no sealed spec, so the directory must be given.
        where = ("--project-dir", str(scene.shell.directory))
        ended = scene.shell.run("ao-resume", name, *where, "--", "echo", "again")
        session: Json = scene.records.get_session(session_id)
        assert session["run"] == run
        if session["reason"] != "lost":
            break
    assert (ended, session["reason"]) == (Ended(DONE, "again\n", ""), "completed")


def _reason(scene: Scene, session_id: str) -> str:
    return str(scene.records.list_runs(session_id)[0]["reason"])
