from __future__ import annotations

import pytest

from agent_session_manager.sql.search.base import find as finding
from tests.support.waiting import WATCHDOG_SECONDS


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a search must not end early."""
    monkeypatch.setattr(finding, "BUDGET_SECONDS", WATCHDOG_SECONDS)
