"""`ao-import` of sessions that the real Claude Code has written and a manager has recorded."""

from __future__ import annotations

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, Shell
from tests.support.model_server import script, tool

# These tests run one after another: concurrent CLIs would only slow each other down.
pytestmark = pytest.mark.xdist_group("claude-commands")


def test_import_of_a_recorded_session_adds_nothing(claude: Shell, records: ManagerClient) -> None:
    inner = script({"text": "I look.", **tool("Bash", command="echo inside")}, {"text": "found"})
    call = tool("Agent", description="look", prompt=inner, subagent_type="general-purpose")
    steps = [call, tool("Bash", command="echo oops >&2; exit 3"), {"text": "The word is heron."}]
    assert claude.run("ao-new", "fix", "-p", script(*steps)).exit_code == DONE
    assert claude.run("ao-resume", "fix", "-p", "/compact").exit_code == DONE
    (before,) = claude.run("ao-list-sessions", "--here", "--json").json
    events = list(records.iterate_events(before["session_id"]))

    counts = claude.run("ao-import", "--json").json

    assert (counts["sources"], counts["sessions"], counts["events"]) == (2, 0, 0)
    assert counts["requests"] == counts["broken"] == counts["refused"] == 0
    assert counts["unknown"] == []
    (after,) = claude.run("ao-list-sessions", "--here", "--json").json
    assert list(records.iterate_events(before["session_id"])) == events
    unchanged = ("state", "reason", "run", "last_seq", "usage", "session_name")
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
