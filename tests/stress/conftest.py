from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.stress.scene import SHORT_LEASE_SECONDS, Scene, opened
from tests.support.campaign import Campaign


@pytest.fixture
def own_state(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients in this process find the token of the scene's manager."""
    state = campaign.directory / "manager" / "state"
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(state))


@pytest.fixture
def scene(campaign: Campaign, own_state: None, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A scene with its own manager; leases are short only for tests marked `short_leases`."""
    is_short = request.node.get_closest_marker("short_leases") is not None
    seconds = SHORT_LEASE_SECONDS if is_short else DEFAULT_LEASE_SECONDS
    with opened(campaign.directory, lease_seconds=seconds) as made:
        yield made
