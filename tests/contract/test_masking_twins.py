"""The rules for secrets are in both houses: the same files, and so the same masks."""

from __future__ import annotations

from pathlib import Path

from tests.support.rows import each_row

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "src/agent_session_manager/domain"
CLIENT = ROOT / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib"


@each_row("name", ["masking.py", "masking_rules.py"])
def test_both_houses_mask_by_the_same_file(name: str) -> None:
    assert (CLIENT / name).read_bytes() == (SERVICE / name).read_bytes()
