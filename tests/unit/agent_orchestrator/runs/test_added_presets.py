"""Executors that a user adds in a file: checked, refused if others can write it, and sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_orchestrator.acp.presets.file import read_presets
from agent_orchestrator.acp.presets.preset import Grant, MidTurn, UsageForm
from agent_orchestrator.acp.presets.table import PRESETS
from agent_orchestrator.executors.base import ExecutorError
from agent_orchestrator.executors.permission_modes import DEFAULT_MODE
from agent_orchestrator.runs.executor_table import (
    EXECUTORS,
    find_executor,
)
from agent_orchestrator.sessions.starts.plan import executor_digest
from tests.support.rows import each_row

GOOSE = """\
[goose]
command = ["goose", "acp"]
agent = "Goose"
variables = ["GOOSE_*"]
mcp_tool_names = "{server}__{tool}"
mid_turn = "join"
usage = "session-total"
[goose.modes.default]
mode_id = "approve"
[goose.modes.bypassPermissions]
mode_id = "auto"
grant = "all"
[my-opencode]
like = "opencode"
command = ["/opt/opencode", "acp"]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a person's own presets."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(tmp_path / "state"))
    directory = tmp_path / "agent-orchestrator"
    directory.mkdir(mode=0o700)
    return directory / "acp.toml"


def test_added_preset_is_an_executor(config: Path) -> None:
    config.write_text(GOOSE)
    presets = read_presets(config)
    goose = presets["goose"]
    assert goose.mid_turn is MidTurn.JOIN and goose.usage is UsageForm.SESSION_TOTAL
    assert goose.modes["bypassPermissions"].grant is Grant.ALL
    assert goose.passes("GOOSE_X") and goose.passes("PATH") and not goose.passes("OPENAI_API_KEY")
    assert presets["my-opencode"].modes == PRESETS["opencode"].modes
    kind = find_executor("goose")
    assert kind.permission_modes == ("default", "bypassPermissions") and not kind.can_fork
    with pytest.raises(ExecutorError, match="known executors: .*opencode.*goose"):
        find_executor("geese")


def test_digest_covers_the_definition(config: Path) -> None:
    """A resume must not run another program than the one that was started."""
    config.write_text(GOOSE)
    before = executor_digest("goose")
    assert before == executor_digest("goose")
    config.write_text(GOOSE.replace('"acp"]\nagent', '"acp", "--yes"]\nagent'))
    assert before["executor_digest"] != executor_digest("goose")["executor_digest"]
    assert executor_digest("opencode") == executor_digest("claude") == {}


@each_row(
    "content, error",
    [
        ("[goose", "acp.toml: "),
        ("x = 1", r"\[x\] must be a table"),
        ("[claude]\ncommand = ['x']", "is an executor of ours"),
        ("[Goose]\ncommand = ['x']", "lower-case"),
        ("[goose]", "needs a command"),
        ("[goose]\ncommand = 'x'", "command must be a list of texts"),
        ("[goose]\ncommand = ['x']\ncolour = 1", "unknown keys: colour; known: agent, "),
        ("[goose]\ncommand = ['x']\nusage = 'all'", "usage must be one of none, "),
        ("[goose]\ncommand = ['x']\nlike = 'y'", "choose one of copilot, "),
        ("[goose]\ncommand = ['x']\nown_words = '('", "not a regular expression"),
        ("[goose]\ncommand = ['x']\n[goose.modes.yolo]", "modes.yolo: choose one of "),
        ("[goose]\ncommand = ['x']\n[goose.modes.plan]\nx = 1", "modes.plan has unknown keys"),
        ("[goose]\ncommand = ['x']\nhas_message_ids = 1", "must be true or false"),
        ("[goose]\ncommand = ['x']\nmcp_tool_names = '{tool}'", "must have {server} and {tool}"),
    ],
)
def test_bad_file_says_what_is_wrong(tmp_path: Path, content: str, error: str) -> None:
    path = tmp_path / "acp.toml"
    path.write_text(content)
    with pytest.raises(ExecutorError, match=error):
        read_presets(path)


def test_file_that_others_can_write_is_refused(config: Path) -> None:
    config.write_text(GOOSE)
    config.chmod(0o666)
    with pytest.raises(ExecutorError, match="so others can choose programs that run as you"):
        find_executor("goose")
    config.chmod(0o600)
    config.parent.chmod(0o777)
    with pytest.raises(ExecutorError, match="so others can choose programs that run as you"):
        find_executor("goose")


def test_every_executor_has_the_mode_of_a_run_without_one() -> None:
    for name in (*EXECUTORS, *PRESETS):
        assert DEFAULT_MODE in find_executor(name).permission_modes, name
