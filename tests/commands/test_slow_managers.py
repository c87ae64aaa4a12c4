"""Commands during the start, the end or the death of a manager."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil

from agent_session_manager.machine.discovery import find_manager
from tests.commands.processes import is_alive, is_waiting, stop_manager
from tests.commands.shell import DONE, Ended, Shell
from tests.commands.started_manager import PORT, manager_in, python_program, started
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

GATED = """\
import sys
from agent_session_manager.cli.main import main
from agent_session_manager.machine import discovery
gated = getattr(discovery.DiscoveryFile, sys.argv[1])
def when_told(self, *arguments):
    print("at the gate", flush=True)
    sys.stdin.readline()
    gated(self, *arguments)
setattr(discovery.DiscoveryFile, sys.argv[1], when_told)
main(["serve"])
"""
"""A manager that waits for a line on stdin before it calls one method of its discovery file."""
DYING = """\
import os, socket
from agent_session_manager.machine.discovery import *
from agent_session_manager.settings import environment, load_settings
state = load_settings(environment()).state_dir
prepare_state_dir(state)
file = DiscoveryFile(discovery_path(state, 8765))
with socket.create_server(("127.0.0.1", 8765)) as listening:
    file.announce(Announcement(url="http://127.0.0.1:8765", pid=os.getpid(), instance="i",
                               version="1", database="d", token="t"))
    print("up", flush=True)
    listening.accept()
"""
"""A manager that ends when a client connects to it; its locks are released last."""


def test_next_command_replaces_a_killed_manager(lonely: Shell, state_dir: Path) -> None:
    lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    pid = manager_in(state_dir).pid
    psutil.Process(pid).kill()
    wait_for(lambda: not is_alive(pid), "the manager is dead")
    ended = lonely.run("ao-get-result", "x")
    assert ended == Ended(DONE, "hi\n", started("ao-get-result", state_dir))
    assert manager_in(state_dir).pid != pid


def test_manager_that_dies_during_a_command_is_replaced(lonely: Shell, state_dir: Path) -> None:
    with python_program(lonely, DYING) as dying:
        assert dying.stdout is not None and dying.stdout.readline() == "up\n"
        ended = lonely.run("ao-list-sessions", "--json")
        assert ended == Ended(DONE, "[]\n", started("ao-list-sessions", state_dir))
        assert dying.wait(WATCHDOG_SECONDS) == 0


def test_command_waits_for_a_manager_that_starts_slowly(lonely: Shell, state_dir: Path) -> None:
    with python_program(lonely, GATED, "announce") as starting:
        assert starting.stdin is not None and starting.stdout is not None
        assert starting.stdout.readline() == "at the gate\n"
        running = lonely.start("ao-list-sessions", "--json")
        wait_for((state_dir / "start.lock").exists, "the command waits")
        starting.stdin.write("serve\n")
        starting.stdin.flush()
        assert running.end() == Ended(DONE, "[]\n", "")
        assert manager_in(state_dir).pid == starting.pid


def test_command_waits_for_a_manager_that_stops_slowly(lonely: Shell, state_dir: Path) -> None:
    with python_program(lonely, GATED, "close") as stopping:
        assert stopping.stdin is not None and stopping.stdout is not None
        wait_for(lambda: find_manager(state_dir, PORT), "the manager serves")
        stopping.terminate()
        assert stopping.stdout.readline() == "at the gate\n"
        running = lonely.start("ao-list-sessions", "--json")
        wait_for(lambda: is_waiting(running.pid), "the command waits")
        stopping.stdin.write("end\n")
        stopping.stdin.flush()
        assert running.end() == Ended(DONE, "[]\n", started("ao-list-sessions", state_dir))


def test_files_of_an_earlier_boot_are_ignored(lonely: Shell, state_dir: Path) -> None:
    lonely.run("ao-new", "x", "-p", "hi", "--executor", "command", "--", "cat")
    stop_manager(state_dir)
    for name in (f"manager-{PORT}.json", "sessions.db.lock"):
        said = json.loads((state_dir / name).read_text() or "{}")
        said |= {"pid": os.getpid(), "processes": "b pid:[1]", "network": "b net:[1]"}
        (state_dir / name).write_text(json.dumps(said))
    (state_dir / f"manager-{PORT}.new").write_text("half")
    ended = lonely.run("ao-get-result", "x")
    assert ended == Ended(DONE, "hi\n", started("ao-get-result", state_dir))
