"""Plays the scenario with the agents that are installed, and writes the page of the results."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.agents.agents import AGENTS, RealAgent
from tests.agents.install import directories, version_of
from tests.agents.page import PAGE, write_page
from tests.agents.person import Person
from tests.agents.play import Seen, Stage
from tests.agents.verdicts import broken_promises
from tests.support.environment import BIN
from tests.support.manager import RunningManager
from tests.support.model_server import ModelServer, start_model_server
from tests.support.own_network import in_own_network

OFFLINE = "--in-own-network"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make agents", description=__doc__)
    parser.add_argument("agents", nargs="*", metavar="AGENT", help="only these; no page is written")
    parser.add_argument(OFFLINE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.agents) - {agent.name for agent in AGENTS}:
        parser.error(f"unknown agents: {', '.join(sorted(unknown))}")
    if not given.in_own_network:
        command = [sys.executable, "-m", "tests.agents", OFFLINE, *given.agents]
        alone = in_own_network(command)
        if alone is None:
            sys.exit("make agents: allow user namespaces: without one, agents reach the internet")
        sys.exit(subprocess.run(alone, check=False).returncode)
    chosen = [agent for agent in AGENTS if not given.agents or agent.name in given.agents]
    found = [played(agent) for agent in chosen]
    if not given.agents:
        write_page(found)
        print(f"written: {PAGE}")
    sys.exit(1 if any(each.missing is None and broken_promises(each) for each in found) else 0)


def played(agent: RealAgent) -> Seen:
    """Play the scenario with one agent, and print how it went."""
    print(f"{agent.name}: ", end="", flush=True)
    with tempfile.TemporaryDirectory(prefix=f"agents-{agent.name}-") as place:
        seen = _play(agent, Path(place))
    broken = broken_promises(seen)
    trouble = "; ".join([*seen.trouble, *(f"{n}: {text}" for n, text in broken.items())])
    print(f"not played: {seen.missing}" if seen.missing else f"{seen.version}: {trouble or 'ok'}")
    return seen


def _play(agent: RealAgent, place: Path) -> Seen:
    home, project = place / "home", place / "project"
    home.mkdir()
    project.mkdir()
    manager = RunningManager(place / "manager")
    try:
        with start_model_server(place / "requests.jsonl") as model:
            environment = _environment(agent, manager, model, home)
            version, missing = version_of(agent, environment)
            if missing:
                return Seen(agent.name, missing=missing)
            stage = Stage(agent, Person(project, environment), model, manager.state_dir)
            stage.seen.version = version
            stage.play()
            return stage.seen
    finally:
        manager.stop()


def _environment(
    agent: RealAgent, manager: RunningManager, model: ModelServer, home: Path
) -> dict[str, str]:
    """Return the environment of the person; write the settings of the agent."""
    setup = agent.setup(model.url, home)
    for name, content in setup.files.items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    path = os.pathsep.join([str(BIN), *map(str, directories()), "/usr/local/bin:/usr/bin:/bin"])
    return {**manager.environment(), "HOME": str(home), **setup.variables, "PATH": path}


if __name__ == "__main__":
    main()
