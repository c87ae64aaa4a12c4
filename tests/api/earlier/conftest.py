"""A manager with the options that clients and pages of the earlier system need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.api import Api
from tests.support.manager import RunningManager

PAGE = "http://localhost:5173"

StartManager = Callable[..., RunningManager]


@pytest.fixture(scope="module")
def open_manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    """Start a manager with the options that clients of the earlier system need."""
    directory = tmp_path_factory.mktemp("open-manager")
    running = RunningManager(directory, arguments=["--auth", "off", "--allow-origin", PAGE])
    yield running
    assert '"trace": ' not in running.log()
    assert running.stop() == 0, running.log()


@pytest.fixture
def own(start_manager: StartManager) -> Iterator[RunningManager]:
    """Start an empty manager with the same options, for one test."""
    running: RunningManager = start_manager(arguments=["--auth", "off"])
    yield running
    assert '"trace": ' not in running.log()


@pytest.fixture
def earlier(open_manager: RunningManager) -> Iterator[Api]:
    """Yield a client without a token."""
    with Api(open_manager) as opened:
        opened.headers.clear()
        yield opened


@pytest.fixture
def own_api(own: RunningManager) -> Iterator[Api]:
    with Api(own) as opened:
        yield opened
