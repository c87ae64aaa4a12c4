from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.guard.family import Family, make_family
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.mcp_call import tools_of


@pytest.fixture
def family(manager: RunningManager, api: Api) -> Iterator[Family]:
    made = make_family(manager, api)
    with made.run:
        yield made


@pytest.fixture
def agent(manager: RunningManager, family: Family) -> Iterator[Api]:
    """The agent of the session `own`, for calls of tools."""
    with tools_of(manager, family.agent_token) as tools:
        yield tools
