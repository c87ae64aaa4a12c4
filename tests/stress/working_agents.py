"""Scripted agents that work for a second or two, and ask for a permission on the way."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from agent_orchestrator.runs.assignment import Assignment
from tests.acp import conftest as acp
from tests.codex import scripted as codex
from tests.stress.scene import Scene

STEPS = 12
"""Each step is a message with its number, and a call of a tool."""
ASKING = (3, 7)
"""Steps in which the agent asks whether it may call the tool."""
PAUSE_SECONDS = 0.03


class Agent(Protocol):
    """A kind of agent: returns the assignment of a run of it, in a session of this name."""

    def __call__(self, scene: Scene, name: str) -> Assignment: ...


def codex_agent(scene: Scene, name: str) -> Assignment:
    acts: list[list[Any]] = []
    for number in range(1, STEPS + 1):
        call = f"c{number}"
        acts += [["say", str(number)], ["call", call, "exec_command", {"cmd": "git push"}]]
        if number in ASKING:
            acts.append(["ask", "item/commandExecution/requestApproval", {"itemId": call}])
        acts += [["output", call, "pushed"], ["send", "item/completed", {}]]
        acts.append(["pause", PAUSE_SECONDS])
    script = json.dumps([*acts, ["say", "done"], codex.END])
    home = codex_home(scene, name)
    assignment = scene.create(name, executor="codex", prompt=script, ask="forever")
    path = f"{home}:{assignment.environment['PATH']}"
    environment = {**assignment.environment, "PATH": path, "CODEX_HOME": str(home)}
    return replace(assignment, environment=environment)


def codex_home(scene: Scene, name: str) -> Path:
    """Make a directory that has the scripted program `codex`, and is its home."""
    home = scene.directory / f"{name}.codex"
    home.mkdir()
    program = home / "codex"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {codex.PROGRAM} "$@"\n')
    program.chmod(0o755)
    return home


def acp_agent(scene: Scene, name: str) -> Assignment:
    steps = [acp.SERVE]
    for number in range(1, STEPS + 1):
        call = f"c{number}"
        steps += [acp.text(str(number)), acp.call(call, title="git push", rawInput={"a": number})]
        if number in ASKING:
            steps.append(acp.ask(call_id=call))
        steps += [acp.update(call, status="completed"), ["pause", PAUSE_SECONDS]]
    script, log = (scene.directory / f"{name}.{kind}" for kind in ("json", "acp-log"))
    script.write_text(json.dumps([*steps, acp.text("done"), acp.DONE]))
    program = (sys.executable, "-IS", str(acp.PROGRAM), str(script), str(log))
    return scene.create(name, program, executor="acp", ask="forever")


AGENTS: dict[str, Agent] = {"codex": codex_agent, "acp": acp_agent}


def words_of(events: list[dict[str, Any]]) -> list[str]:
    """Return the agent's own messages; that of Codex about an answer is not among them."""
    return [
        text
        for event in events
        if event["event_type"] == "message" and event["role"] == "assistant"
        if (text := event["content"][0]["text"])[0] != "{"
    ]


ALL_WORDS = [*map(str, range(1, STEPS + 1)), "done"]
