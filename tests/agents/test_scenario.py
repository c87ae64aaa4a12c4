"""The scenario of `make agents` with the two real agents that are installed with the tests."""

from __future__ import annotations

import pytest

from tests.agents.__main__ import played
from tests.agents.agents import AGENTS
from tests.agents.verdicts import broken_promises, steps, types_of
from tests.support.rows import each_row

pytestmark = pytest.mark.xdist_group("agents")

BY_NAME = {agent.name: agent for agent in AGENTS}
WHOLE = [
    "user", "conversation", "assistant", "pre_tool", "post_tool",
    "pre_tool", "permission_request", "permission_decided", "post_tool",
    "pre_tool", "permission_request", "permission_decided", "user", "post_tool",
    "pre_tool", "permission_request", "permission_decided", "post_tool",
    "assistant", "session_stop",
]  # fmt: skip
"""The events of the first run of every agent that asks before it edits."""


@each_row("name, reason", [("codex", ["user"]), ("claude", [])])
def test_agent_does_every_step_and_leaves_the_same_record(name: str, reason: list[str]) -> None:
    """The reason of a refusal is a message to Codex; to Claude Code it is the tool's error."""
    seen = played(BY_NAME[name])
    assert (seen.trouble, broken_promises(seen)) == ([], {})
    whole = [each for each in WHOLE if each != "conversation" or name != "claude"]
    whole[-2:-2] = reason
    assert types_of(seen) == whole
    done = steps(seen)
    del done["is refused"], done["result"]
    assert done == {
        "reads a file": "yes",
        "edits it": "yes, asked first",
        "runs a command": "yes",
        "is asked": "yes",
        "gets a message": "in the turn",
        "is stopped": "stopped",
        "is resumed": "remembers",
        "usage": "all tokens, cost" if name == "claude" else "all tokens",
        "is imported": "nothing new",
        "end": "completed, stopped, completed",
    }
    assert seen.resources.supervisor_bytes > 0 and seen.resources.agent_bytes > 0
