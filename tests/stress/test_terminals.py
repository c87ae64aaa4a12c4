"""Commands in the foreground that are interrupted, hung up or killed: the run is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.shell import DONE, FAILED, is_alive
from tests.stress.scene import Scene
from tests.support.campaign import Campaign

pytestmark = [pytest.mark.stress, pytest.mark.timeout(120)]

COMMAND = ("-p", "hi", "--executor", "command", "--")


def test_a_run_goes_on_when_its_terminal_is_closed(campaign: Campaign, scene: Scene) -> None:
    until = scene.directory / "until"
    program = scene.family("x", "alone", f"until={until}")
    with scene.shell.on_terminal("ao-new", "x", *COMMAND, *program) as terminal:
        (pid,) = scene.await_pids("x")
        terminal.hang_up()
        terminal.wait()
    assert is_alive(pid)
    _goes_on_to_its_end(scene, until)


def test_a_run_goes_on_when_the_command_that_started_it_is_killed(
    campaign: Campaign, scene: Scene
) -> None:
    until = scene.directory / "until"
    program = scene.family("x", "alone", f"until={until}")
    running = scene.shell.start("ao-new", "x", *COMMAND, *program)
    (pid,) = scene.await_pids("x")
    running.kill()
    assert is_alive(pid)
    _goes_on_to_its_end(scene, until)


def _goes_on_to_its_end(scene: Scene, until: Path) -> None:
    session = scene.session("x")
    assert session["status"] == "running"
    until.touch()
    ended = scene.await_end(session["session_id"])
    assert (ended["reason"], ended["exit_code"]) == ("completed", 0)
    assert scene.shell.run("ao-get-result", "x").exit_code == DONE


def test_ctrl_c_stops_the_run(campaign: Campaign, scene: Scene) -> None:
    program = scene.family("x", "alone", "polite")
    with scene.shell.on_terminal("ao-new", "x", *COMMAND, *program) as terminal:
        (pid,) = scene.await_pids("x")
        terminal.types("\x03")
        code, screen = terminal.end()
    assert code == FAILED
    assert "session 'x' stopped" in screen
    assert not is_alive(pid)
    assert scene.session("x")["reason"] == "stopped"


def test_a_second_ctrl_c_stops_the_waiting_and_the_stop_goes_on(
    campaign: Campaign, scene: Scene
) -> None:
    program = scene.family("x", "stubborn")
    with scene.shell.on_terminal("ao-new", "x", *COMMAND, *program) as terminal:
        pids = scene.await_pids("x", 3)
        terminal.types("\x03")
        terminal.shows("Ctrl-C again stops the waiting only")
        terminal.types("\x03")
        code, screen = terminal.end()
        assert code == FAILED
        assert "not waiting any more; session 'x' is stopping" in screen
    assert is_alive(pids[0])
    ended = scene.await_end(scene.session("x")["session_id"])
    assert ended["reason"] == "stopped"
    assert not any(map(is_alive, pids))
