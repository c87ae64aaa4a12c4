"""Fixtures of every suite. No test can touch the person's own state, manager or proxies."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from _pytest.nodeid import NodeId
from hypothesis import HealthCheck, settings

from agent_orchestrator.session_client import SessionClient
from tests.support.environment import is_ours_or_a_proxy
from tests.support.manager import RunningManager
from tests.support.model_server import ModelServer
from tests.support.own_signals import handlers, signals_kept

LONG_SUITES = ("browser", "stress", "commands", "executors")
SHORT_SUITES = ("unit",)

pytest_plugins = ["tests.support.campaign", "tests.support.postgresql"]


def pytest_configure() -> None:
    # As from a terminal: what is started in the background of a script ignores these, and so would
    # every command that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Hypothesis has times of its own, which a busy machine exceeds.
    untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("untimed", untimed)
    settings.load_profile("untimed")


def group_of(item: pytest.Item) -> str:
    """What has to stay in one process: its module, which shares a manager, or several of them."""
    mark = item.get_closest_marker("xdist_group")
    return item.path.stem if mark is None else str(mark.args[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let groups that have names of their own begin, then long suites, and short ones end.

    Those of Claude or of one PostgreSQL server are the longest: a group that begins last runs
    alone in the end.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        suite = item.path.parent.name
        is_module = group_of(item) == item.path.stem
        return is_module, suite not in LONG_SUITES, suite in SHORT_SUITES

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection_finish(session: pytest.Session) -> Iterator[None]:
    """Tell xdist the groups, as the ends of ids: its own way has no effect since pytest 9.2."""
    # What is there now stays: each collection of garbage would look at all of it again.
    gc.freeze()
    if not session.config.getoption("loadgroup", False):
        return (yield)
    own = [item._id for item in session.items]
    for item in session.items:
        item._id = NodeId.parse(f"{item.nodeid}@{group_of(item)}")
        assert item.nodeid.endswith(f"@{group_of(item)}")
    yield
    for item, id_ in zip(session.items, own, strict=True):
        item._id = id_


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pictures",
        action="store_true",
        help="Keep the pictures of the dashboard that the documentation shows.",
    )


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_person() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if is_ours_or_a_proxy(name):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _signals_stay() -> Iterator[None]:
    """A test that leaves a handler of its own fails, and not one of those after it."""
    before = handlers()
    with signals_kept():
        yield
        left = {number: now for number, now in handlers().items() if now is not before[number]}
    assert left == {}, "a handler stays: see tests/support/own_signals.py"


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, where this test's state would go by default."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    return home


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    """A manager that the tests of one module share: each uses fresh session ids."""
    running = RunningManager(tmp_path_factory.mktemp("manager"))
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture
def start_manager(tmp_path: Path) -> Iterator[Callable[..., RunningManager]]:
    """Start a manager of this test's own; it is ended with the test."""
    started: list[RunningManager] = []
    numbers = count()

    def start(directory: Path | None = None, **options: object) -> RunningManager:
        own = directory or tmp_path / f"manager-{next(numbers)}"
        started.append(RunningManager(own, **options))  # type: ignore[arg-type]  # passed through
        return started[-1]

    yield start
    for running in started:
        running.kill()


@pytest.fixture
def client(manager: RunningManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionClient]:
    """A client of the module's manager, which finds the token as everybody's does."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with SessionClient(manager.url) as opened:
        yield opened


@pytest.fixture
def model(running_model: ModelServer) -> ModelServer:
    """The stand-in model that the suite starts, with no request recorded yet."""
    running_model.forget()
    return running_model


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Ids that no session has yet."""
    return lambda: f"t-{uuid4().hex}"
