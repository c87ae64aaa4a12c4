from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.api import Api
from tests.support.manager import RunningManager


@pytest.fixture
def api(manager: RunningManager) -> Iterator[Api]:
    """Yield a connection to the module's manager."""
    with Api(manager) as opened:
        yield opened


@pytest.fixture
def session_id(api: Api, new_id: Callable[[], str]) -> str:
    """Create a running session without events, for one test."""
    fresh = new_id()
    assert api.post("/sessions", {"session_id": fresh, "session_name": fresh}).status == 201
    return fresh
