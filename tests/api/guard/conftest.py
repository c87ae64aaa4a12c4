"""One family of sessions for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.guard.family import Family, make_family
from tests.support.api import Api
from tests.support.manager import RunningManager


@pytest.fixture
def family(manager: RunningManager, api: Api) -> Iterator[Family]:
    made = make_family(manager, api)
    with made.run:
        yield made
