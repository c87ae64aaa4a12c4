"""What both houses have as the same file: the rules for secrets, and what a process inherits."""

from __future__ import annotations

from pathlib import Path

from tests.support.rows import each_row

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "src/agent_session_manager"
CLIENT = ROOT / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib"


@each_row("name", ["domain/masking.py", "domain/masking_rules.py", "inherited.py"])
def test_both_houses_have_the_same_file(name: str) -> None:
    assert (CLIENT / Path(name).name).read_bytes() == (SERVICE / name).read_bytes()
