"""Sessions started inside another session: their parent, and the stops that end them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from agent_orchestrator.runs.registry import RegisteredRun, list_registered
from agent_session_manager.machine.discovery import find_manager
from tests.commands.processes import is_alive, kill
from tests.commands.shell import DONE, Shell
from tests.stress.scene import FAMILY, Scene, pids_in
from tests.support.campaign import Campaign
from tests.support.environment import scrubbed_environment
from tests.support.forked_manager import ForkedManager
from tests.support.network_namespace import holder_of, network_namespace
from tests.support.waiting import WATCHDOG_SECONDS, wait_for
from tests.support.zygote import join_namespaces_of

pytestmark = pytest.mark.stress

OUTER_PORT = 9000


def nested(shell: Shell, name: str, pids: Path, *options: str) -> str:
    """Return a shell command that starts a session whose agent never ends."""
    family = f"{sys.executable} -S {FAMILY} {pids} alone polite"
    return " ".join([*shell.command("ao-new", name), *options, f"--executor command -- {family}"])


def test_child_sessions_survive_stop_of_their_parent(campaign: Campaign, scene: Scene) -> None:
    """One child is detached. The parent's agent follows the other one when it is stopped."""
    children = {"detached": ("-d",), "followed": ()}
    commands = [
        f"{' '.join(scene.family('parent'))} &",
        *(f"{nested(scene.shell, c, scene.pids(c), *o)};" for c, o in children.items()),
    ]
    parent = scene.start("parent", "sh", "-c", " ".join(commands))
    pids = [pid for name in children for pid in scene.await_pids(name)]
    scene.await_pids("parent", 3)
    parents = {scene.session(name)["parent_session_id"] for name in children}
    assert parents == {parent["session_id"]}
    marker = scene.await_supervisor(parent["session_id"]).marker
    assert scene.shell.run("ao-stop", "parent").exit_code == DONE
    assert scene.remaining("parent", marker) == []
    assert all(map(is_alive, pids))
    listed = scene.shell.run("ao-list-sessions", "--tree").stdout.splitlines()
    assert listed[1].split()[:3] == ["parent", "stopped", "command"]
    shown = [line.split()[1:3] for line in listed[2:]]
    assert sorted(shown) == [["detached", "running"], ["followed", "running"]]
    ended = scene.shell.run("ao-stop", "parent", "--tree")
    assert ended.exit_code == DONE
    assert {"detached stopped", "followed stopped"} <= {*ended.stdout.splitlines()}
    assert not any(map(is_alive, pids))


@pytest.fixture
def network() -> Iterator[tuple[str, ...]]:
    """The prefix of a command in a separate network namespace, where port 8765 is free."""
    with network_namespace() as prefix:
        yield prefix


@pytest.fixture
def ended_later() -> Iterator[Callable[[int], None]]:
    """A function that registers the pid of a process to kill at the end of the test."""
    pids: list[int] = []
    yield pids.append
    for pid in pids:
        kill(pid)


@pytest.fixture
def outer(network: tuple[str, ...], campaign: Campaign, own_home: Path) -> Iterator[Path]:
    """The state directory of a manager in that network, on another port than the default."""
    state = campaign.directory / "outer"
    holder = holder_of(network)
    assert holder is not None  # the prefix enters its namespace
    manager = ForkedManager(
        ["serve", "--port", str(OUTER_PORT), "--state-dir", str(state)],
        scrubbed_environment(own_home),
        campaign.directory / "outer.log",
        partial(join_namespaces_of, holder),
    )
    try:
        wait_for(lambda: find_manager(state, OUTER_PORT), "the outer manager serves")
        yield state
    finally:
        manager.kill()
        manager.wait(WATCHDOG_SECONDS)


def test_manager_started_by_an_agent_survives_its_stop(
    network: tuple[str, ...],
    outer: Path,
    campaign: Campaign,
    own_home: Path,
    ended_later: Callable[[int], None],
) -> None:
    """The agent starts a manager with another state directory, unknown to the parent's manager."""
    directory = campaign.directory
    inner = directory / "inner"
    environment = scrubbed_environment(own_home)
    shell = Shell(
        directory=directory,
        prefix=network,
        environment={
            **environment,
            "AGENT_ORCHESTRATOR_STATE_DIR": str(outer),
            "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL": f"http://127.0.0.1:{OUTER_PORT}",
        },
    )
    here = Shell(directory=directory, environment=environment)
    own, child = directory / "own.pids", directory / "child.pids"
    elsewhere = "env -u AGENT_ORCHESTRATOR_SESSION_MANAGER_URL AGENT_ORCHESTRATOR_STATE_DIR=" + str(
        inner
    )
    script = "; ".join(
        (
            f"{elsewhere} {nested(here, 'own', own, '-d')}",
            nested(here, "child", child, "-d"),
            f"exec {sys.executable} -S {FAMILY} {directory / 'parent.pids'}",
        )
    )
    command = ("parent", "-d", "--executor", "command", "--", "sh", "-c", script)
    assert shell.run("ao-new", *command).exit_code == DONE

    def all_run() -> list[int] | None:
        found = [pids_in(directory / f"{name}.pids") for name in ("own", "child")]
        parents = pids_in(directory / "parent.pids", 3)
        return [pid for pids in found for pid in pids or []] if all(found) and parents else None

    pids = wait_for(all_run, "all run")
    started = find_manager(inner, 8765)
    assert started is not None
    supervisors = [run.pid for run in _registered(inner) + _registered(outer)]
    for pid in (*pids, *supervisors, started.pid):
        ended_later(pid)
    assert shell.run("ao-stop", "parent").exit_code == DONE
    assert not any(map(is_alive, pids_in(directory / "parent.pids", 3) or []))
    assert [is_alive(pid) for pid in (*pids, started.pid)] == [True, True, True]
    assert find_manager(inner, 8765) == started
    assert shell.run("ao-stop", "parent", "--tree").stdout.splitlines()[1:] == ["child stopped"]
    assert [is_alive(pid) for pid in pids] == [True, False]
    campaign.tell("a manager and a child survive their parent; with --tree the child ends")


def _registered(state: Path) -> list[RegisteredRun]:
    return [entry.run for entry in list_registered(state)]
