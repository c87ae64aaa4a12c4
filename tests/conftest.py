"""Fixtures of all suites. No test can touch the user's own state, manager or proxies."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from _pytest.nodeid import NodeId
from hypothesis import HealthCheck, settings

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClient
from tests.support.environment import is_ours_or_a_proxy
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.model_server import ModelServer
from tests.support.own_signals import handlers, signals_kept

LONG_SUITES = ("browser", "stress", "commands", "executors")
SHORT_SUITES = ("unit",)

pytest_plugins = [
    "tests.support.campaign",
    "tests.support.compiled_once",
    "tests.support.postgresql",
]


def pytest_configure(config: pytest.Config) -> None:
    # Restore the handlers of a terminal session. A background process of a script ignores these
    # signals, and so would every command that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # A busy machine exceeds the default deadlines of Hypothesis. Each run tries other examples.
    examples = 500 if config.getoption("campaign") == "long" else 30
    slow = [HealthCheck.too_slow]
    ours = settings(deadline=None, suppress_health_check=slow, max_examples=examples)
    settings.register_profile("ours", ours)
    settings.load_profile("ours")


def group_of(item: pytest.Item) -> str:
    """Return the group of tests that must run in one process: a module, or a marked group."""
    mark = item.get_closest_marker("xdist_group")
    return item.path.stem if mark is None else str(mark.args[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run marked groups first, then long suites, and short suites last.

    The groups of Claude and of PostgreSQL take longest. A long group that starts last would run
    alone at the end.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, bool]:
        suite = item.path.parent.name
        is_module = group_of(item) == item.path.stem
        return is_module, suite not in LONG_SUITES, suite in SHORT_SUITES

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without looking for garbage, which takes a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_finish(session: pytest.Session) -> Iterator[None]:
    """Append the groups to the ids for xdist, whose own code for it fails since pytest 9.2."""
    # Existing objects stay alive. Without this, each garbage collection would scan them again.
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
        help="Store the pictures of the dashboard for the documentation.",
    )


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_person() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if is_ours_or_a_proxy(name):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _process_stays() -> Iterator[None]:
    """Fail the test that leaves a signal handler or another umask, instead of a later test."""
    before, umask = handlers(), _umask()
    with signals_kept():
        yield
        left = {number: now for number, now in handlers().items() if now is not before[number]}
    assert left == {}, "the test left a signal handler: see tests/support/own_signals.py"
    now = _umask()
    os.umask(umask)
    assert now == umask, "the test left another umask: run the program in a process of its own"


def _umask() -> int:
    umask = os.umask(0o077)  # for a moment: no file of another thread is open to others
    os.umask(umask)
    return umask


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an empty home directory, the default place of the test's state."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    return home


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    """Start a manager for all tests of a module; each test uses fresh session ids."""
    running = RunningManager(tmp_path_factory.mktemp("manager"))
    yield running
    assert running.stop() == 0, running.log()


@pytest.fixture
def start_manager(tmp_path: Path) -> Iterator[Callable[..., RunningManager]]:
    """Return a function that starts a manager; all managers are stopped after the test."""
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
def own(start_manager: Callable[..., RunningManager]) -> RunningManager:
    """Start an empty manager for this test alone."""
    return start_manager()


@pytest.fixture
def found_manager(manager: RunningManager, monkeypatch: pytest.MonkeyPatch) -> RunningManager:
    """Return the module's manager; clients in this process find its token as every client does."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    return manager


@pytest.fixture
def client(found_manager: RunningManager) -> Iterator[SessionClient]:
    """Yield a client of the module's manager."""
    with SessionClient(found_manager.url) as opened:
        yield opened


@pytest.fixture
def records(found_manager: RunningManager) -> Iterator[ManagerClient]:
    """Yield a client for the records of the module's manager."""
    with ManagerClient(found_manager.url) as opened:
        yield opened


@pytest.fixture
def own_records(own: RunningManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagerClient]:
    """Yield a client for the records of the manager of this test alone."""
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(own.state_dir))
    with ManagerClient(own.url) as opened:
        yield opened


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path / "gate")
    yield made
    made.close()


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """Return the file in which programs write their pids."""
    return tmp_path / "started"


@pytest.fixture
def model(running_model: ModelServer) -> ModelServer:
    """Return the stand-in model of the suite, with its record of requests cleared."""
    running_model.forget()
    return running_model


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Return a function that makes new session ids."""
    return lambda: f"t-{uuid4().hex}"
