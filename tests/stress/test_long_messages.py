"""A message of 100 MB from an agent: it is cut as documented, and takes no memory of its size."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from tests.acp import conftest as acp
from tests.commands.shell import DONE
from tests.stress.scene import Scene
from tests.stress.working_agents import codex_home
from tests.support.campaign import Campaign
from tests.support.memory import peak_megabytes

pytestmark = [pytest.mark.stress, pytest.mark.only_long]

MEBIBYTES = 100
SIZE = MEBIBYTES * 2**20
MAX_MEGABYTES = 60
"""A supervisor has about 30 MiB without such a message."""


def test_long_message_of_codex_is_bounded(campaign: Campaign, scene: Scene) -> None:
    ask = ["ask", "item/commandExecution/requestApproval", {"itemId": "c1"}]
    script = [["big", SIZE], ["say", "read"], ask, ["say", "done"], ["end", "completed", None]]
    home = codex_home(scene, "x")
    path = f"{home}:{scene.shell.environment['PATH']}"
    told = scene.shell.having(PATH=path, CODEX_HOME=str(home))
    arguments = ("--executor", "codex", "-p", json.dumps(script))
    event = play(campaign, replace(scene, shell=told), *arguments)
    assert event["event_type"] == "agent_update"
    assert event["shortened"] == {"params.text": SIZE}


def test_long_message_of_acp_is_bounded(campaign: Campaign, scene: Scene) -> None:
    marked = {"content": [{"type": "content", "content": {"type": "text", "text": "@"}}]}
    fields = {"sessionUpdate": "tool_call_update", "toolCallId": "c1", "status": "completed"}
    params = {"sessionId": "conversation-1", "update": {**fields, **marked}}
    begin, end = json.dumps({"method": "session/update", "params": params}).split("@")
    steps = [
        acp.SERVE,
        *(acp.call("c1", title="big", rawInput={"a": 1}), ["write", begin]),
        *(["flood", MEBIBYTES, "x" * 2**20], ["write", f"{end}\n"]),
        *(acp.text("read"), acp.ask(call_id="c2"), acp.text("done"), acp.DONE),
    ]
    script, log = scene.directory / "script.json", scene.directory / "log"
    script.write_text(json.dumps(steps))
    program = (sys.executable, "-IS", str(acp.PROGRAM), str(script), str(log))
    event = play(campaign, scene, "-p", "go", "--executor", "acp", "--", *program)
    assert event["event_type"] == "post_tool"
    assert event["shortened"] == {"tool_output": SIZE}


def play(campaign: Campaign, scene: Scene, *arguments: str) -> dict[str, object]:
    """Play a run that sends the message and then asks; return the event that was cut.

    The supervisor is a new Python, as a fork has the memory of its parent.
    """
    shell = replace(scene.shell, own_python=True)
    new = shell.run("ao-new", "x", "-d", "--ask", "forever", *arguments)
    assert new.exit_code == DONE, new
    session_id = new.stdout.strip()
    waited = shell.run("ao-wait", "x", "--until", "waiting")
    assert waited.stdout == "x waiting\n", waited
    peak = peak_megabytes(scene.await_supervisor(session_id).pid)
    assert shell.run("ao-permit", "x", "--allow").exit_code == DONE
    assert scene.await_end(session_id)["reason"] == "completed"
    (cut,) = (event for event in scene.events(session_id) if "shortened" in event)
    manager = peak_megabytes(scene.manager.pid)
    campaign.tell(f"a message of {MEBIBYTES} MiB: supervisor {peak} MiB, manager {manager} MiB")
    assert peak <= MAX_MEGABYTES
    return cut
