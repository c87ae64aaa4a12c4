"""A new database is created in one step, an old one is migrated; both get the same schema."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, String, make_url, text

from agent_session_manager.sql.database.database import Database
from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.migrations.comparison import SCHEMA, to_part
from agent_session_manager.sql.migrations.newest import create_newest, read_revisions
from agent_session_manager.sql.migrations.revisions import MIGRATIONS, known_revisions
from agent_session_manager.sql.migrations.run import run_migrations
from agent_session_manager.sql.schema.tables import metadata
from tests.support.output import output_of

OF_POSTGRESQL = (
    "SELECT table_name, column_name, data_type, character_maximum_length, collation_name,"
    " is_nullable, column_default, is_identity FROM information_schema.columns"
    " WHERE table_schema = 'public'",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT sequencename, data_type::text, start_value, min_value, max_value, increment_by, cycle"
    " FROM pg_sequences WHERE schemaname = 'public'",
    "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
)
OPEN_AND_OPEN_AGAIN = """\
import sys
from datetime import UTC, datetime
from agent_session_manager import serve
for _ in range(2):
    serve.open_store(sys.argv[1], clock=lambda: datetime.now(UTC)).close()
unneeded = ("alembic", "mako", "sqlalchemy.dialects.postgresql")
print([name for name in unneeded if name in sys.modules])
"""


@pytest.fixture
def database(bare_database_url: str) -> Iterator[Database]:
    opened = open_database(bare_database_url)
    yield opened
    opened.close()


def parts_of(connection: Connection) -> set[tuple[Any, ...]]:
    """Return all parts of a schema, without the order of the columns."""
    if connection.dialect.name == "sqlite":
        return {tuple(to_part(*row)) for row in connection.execute(text(SCHEMA))}
    return {tuple(row) for query in OF_POSTGRESQL for row in connection.execute(text(query))}


def rows_of(connection: Connection) -> dict[str, list[Any]]:
    """Return the rows of each table, without the random generation of the feed."""
    found: dict[str, list[Any]] = {
        name: [dict(row) for row in connection.execute(table.select()).mappings()]
        for name, table in metadata.tables.items()
    }
    generations = [row.pop("generation") for row in found["feed"]]
    assert [len(generation) for generation in generations] == [32]
    return {**found, "alembic_version": read_revisions(connection) or []}


# The texts of the two schemas are compared as well, so such an index is not left out.
@pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index",
    "ignore:autogenerate skipping metadata-specified expression-based index",
)
def test_new_database_has_the_schema_of_the_migrations(database: Database) -> None:
    makers: dict[str, Callable[[Connection], None]] = {
        "created": create_newest,
        "migrated": run_migrations,
    }
    made = {}
    for name, make in makers.items():
        with database.writing.connect() as connection, connection.begin() as transaction:
            make(connection)
            assert compare_metadata(MigrationContext.configure(connection), metadata) == [], name
            made[name] = parts_of(connection), rows_of(connection)
            transaction.rollback()
    assert made["created"][0] ^ made["migrated"][0] == set()
    assert made["created"] == made["migrated"]
    assert len(made["created"][0]) > 2 * len(metadata.tables), "the schema has too few parts"


def test_columns_of_the_same_value_have_one_collation() -> None:
    """PostgreSQL compares columns of two collations without an index: it reads all rows."""
    dialect = make_url("postgresql+psycopg://").get_dialect()()
    collations = {
        (table.name, column.name): column.type.compile(dialect=dialect).partition("COLLATE")[2]
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, String)
    }
    compared = {
        (one, other)
        for one, other in permutations(collations, 2)
        if f"_{one[1]}".endswith(f"_{other[1]}")  # as `parent_session_id` and `session_id`
    }
    assert (("sessions", "parent_session_id"), ("sessions", "session_id")) in compared
    assert {pair for pair in compared if len({*map(collations.get, pair)}) > 1} == set()


def test_known_revisions_match_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    named = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(known_revisions()) == named[::-1]


def test_start_without_a_migration_does_not_import_alembic(sqlite_url: str) -> None:
    assert output_of([sys.executable, "-c", OPEN_AND_OPEN_AGAIN, sqlite_url]) == "[]\n"
