"""Stops of runs: no process is left, even if the agent resists or our processes are down."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.commands.processes import is_alive
from tests.commands.shell import DONE, FAILED, NOT_FINISHED
from tests.stress.scene import Scene, timed
from tests.support.campaign import Campaign, spread
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress

LADDER_SECONDS = 13.0
"""SIGINT, SIGTERM, SIGKILL: the sum of the maximum waits after each."""
COMMAND_SECONDS = 10.0
"""Tolerance for the commands, as several run at once."""


def test_ao_stop_ends_all_processes_of_a_stubborn_agent(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=1, long=100)

    def play(number: int) -> float:
        name = f"stubborn-{number}"
        session = scene.start(name, *scene.family(name, "stubborn"))
        scene.await_pids(name, 3)
        marker = scene.await_supervisor(session["session_id"]).marker
        seconds, ended = timed(lambda: scene.shell.run("ao-stop", name))
        assert (ended.exit_code, ended.stdout) == (DONE, f"{name} stopped\n"), ended
        assert scene.remaining(name, marker) == []
        assert scene.records.get_session(session["session_id"])["reason"] == "stopped"
        return seconds

    played = campaign.rounds(play, count, at_once=10)
    campaign.tell(f"{count} stubborn agents, no process left: {spread(played)}")
    campaign.limit("the slowest, in seconds", max(played), LADDER_SECONDS + COMMAND_SECONDS)


def test_polite_agent_ends_soon_after_the_request(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=1, long=20)
    latencies = []
    for number in range(count):
        name = f"polite-{number}"
        session = scene.start(name, *scene.family(name, "alone", "polite"))
        (pid,) = scene.await_pids(name)
        asked_at = time.monotonic()
        scene.records.create_request(session["session_id"], 1, f"stop-{number}", "stop")
        wait_for(lambda pid=pid: not is_alive(pid), "the agent ends", every=0.001)  # type: ignore[misc]
        latencies.append(time.monotonic() - asked_at)
        assert scene.await_end(session["session_id"])["reason"] == "stopped"
    campaign.tell(f"from the request to the agent's end: {spread(latencies)}")


def test_ao_stop_asks_the_supervisor_if_the_manager_is_down(
    campaign: Campaign, scene: Scene
) -> None:
    session = scene.start("x", *scene.family("x"))
    pids = scene.await_pids("x", 3)
    scene.manager.kill()
    seconds, ended = timed(lambda: scene.shell.run("ao-stop", "x"))
    assert (ended.exit_code, ended.stdout) == (DONE, "asked the supervisor of x to stop\n"), ended
    wait_for(lambda: not any(map(is_alive, pids)), "its processes end")
    campaign.tell(f"ao-stop with the manager away: {seconds:.2f} s")
    scene.manager.restart()
    ended_session = scene.await_end(session["session_id"])
    assert (ended_session["reason"], ended_session["exit_code"]) == ("stopped", 130)


def test_ao_stop_records_the_end_of_a_run_without_supervisor(
    campaign: Campaign, scene: Scene
) -> None:
    """`ao-stop` records it at once, as it has stopped the agent; the lease has not expired yet."""
    session = scene.start("x", *scene.family("x"))
    pids = scene.await_pids("x", 3)
    supervisor = scene.await_supervisor(session["session_id"])
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(supervisor.pid), "the supervisor is dead")
    seconds, ended = timed(lambda: scene.shell.run("ao-stop", "x", "--timeout", "0"))
    assert (ended.exit_code, ended.stdout) == (DONE, "x lost\n"), ended
    assert not any(map(is_alive, pids))
    assert "its supervisor died" in scene.shell.run("ao-logs", "x").stdout
    campaign.tell(f"ao-stop after the supervisor's death: {seconds:.2f} s")


def test_ao_stop_reaches_the_supervisor_of_a_lost_run(campaign: Campaign, scene: Scene) -> None:
    session = scene.start("x", *scene.family("x"))
    pids = scene.await_pids("x", 3)
    supervisor = scene.await_supervisor(session["session_id"])
    os.kill(supervisor.pid, signal.SIGSTOP)
    scene.await_loss(session["session_id"])
    paused = scene.shell.run("ao-stop", "x", "--timeout", "0")
    assert (paused.exit_code, paused.stdout) == (NOT_FINISHED, ""), paused
    os.kill(supervisor.pid, signal.SIGCONT)
    ended = scene.shell.run("ao-stop", "x")
    assert (ended.exit_code, ended.stdout) == (DONE, "x stopped\n"), ended
    assert not any(map(is_alive, pids))


def test_timeout_ends_a_run_by_the_same_signals(campaign: Campaign, scene: Scene) -> None:
    session = scene.start("x", *scene.family("x"), options=("--timeout", "1"))
    ended = scene.await_end(session["session_id"])
    assert (ended["reason"], ended["exit_code"]) == ("timeout", 124)
    # On a slow machine, the time is up before all processes of the family have started.
    assert scene.remaining("x", None) == []


def test_only_one_of_two_concurrent_resumes_wins(campaign: Campaign, scene: Scene) -> None:
    sessions = 4 if campaign.is_long else 1
    races = campaign.count(short=1, long=250)

    def play(session: int) -> None:
        name = f"session-{session}"
        started = scene.shell.run("ao-new", name, "--executor", "command", "--", "true")
        assert started.exit_code == DONE
        for race in range(races):
            _race(scene, name, f"race-{session}-{race}", run=race + 2)

    campaign.rounds(play, sessions, at_once=sessions)
    campaign.tell(f"{sessions * races} races of two ao-resume: one agent process each")


def _race(scene: Scene, name: str, agent: str, *, run: int) -> None:
    until = scene.directory / f"{agent}.until"
    program = scene.family(agent, "alone", f"until={until}")
    racing = [scene.shell.start("ao-resume", name, "-d", "--", *program) for _ in range(2)]
    ended = [command.end() for command in racing]
    assert sorted(one.exit_code for one in ended) == [DONE, FAILED], ended
    (refused,) = (one.stderr for one in ended if one.exit_code)
    assert "is running" in refused and "--takeover" in refused
    scene.await_pids(agent)
    until.touch()
    assert scene.await_end(scene.session(name)["session_id"])["run"] == run
    assert len(scene.await_pids(agent)) == 1


def test_one_shell_starts_and_awaits_many_sessions(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=2, long=20)
    names = " ".join(f"s{number}" for number in range(count))
    new, wait = (" ".join(scene.shell.command(c)) for c in ("ao-new", "ao-wait"))
    one = f"{new} $n -d --executor command -- echo $n"
    script = f"for n in {names}; do {one} & done; wait; {wait} {names}"
    begin = time.monotonic()
    output = scene.shell.output_of(
        "import subprocess, sys; sys.exit(subprocess.run(['sh', '-c', sys.argv[1]]).returncode)",
        script,
    )
    campaign.tell(f"{count} at once, to the end of all: {time.monotonic() - begin:.1f} s")
    lines = output.split("\n")
    assert sorted(line for line in lines if line.endswith(" finished")) == sorted(
        f"{name} finished" for name in names.split()
    )
    for name in names.split():
        assert scene.records.get_result(scene.session(name)["session_id"]).strip() == name
