from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stress.scene import Scene, opened
from tests.support.campaign import Campaign


@pytest.fixture
def scene(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A manager of this test's own, with leases as short as they can be."""
    state = campaign.directory / "manager" / "state"
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(state))
    with opened(campaign.directory) as made:
        yield made
