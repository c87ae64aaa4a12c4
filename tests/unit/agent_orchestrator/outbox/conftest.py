"""An outbox for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_orchestrator.outbox.outbox import Outbox
from tests.unit.agent_orchestrator.outbox.filled_outbox import RUN, path_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_in(tmp_path)


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with Outbox(path, RUN) as opened:
        yield opened
