"""An outbox for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_orchestrator.outbox.outbox import Outbox
from tests.unit.agent_orchestrator.runs.outboxes import make_outbox


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with make_outbox(tmp_path / "s.1.db") as opened:
        yield opened
