"""The words of the index in PostgreSQL."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.sql.search.postgresql import index as postgresql_index
from agent_session_manager.sql.search.postgresql import match as postgresql_match
from agent_session_manager.sql.search.postgresql import reading as postgresql_reading
from agent_session_manager.sql.search.postgresql.match import to_tsvector
from agent_session_manager.sql.search.postgresql.reading import PostgresqlReading
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.search import IndexPausedError
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create
from tests.store.promises.events import says
from tests.store.search.searching import index, pages, seqs

LARGE = {
    "repeated": "word " * 20_000,
    "different": " ".join(f"word{number}" for number in range(30_000)),
    "pairs": "word " + "昨晚我" * 60_000,
    # No letter folds to more bytes, 9. PostgreSQL allows 1 MB of words.
    "largest after folding": "word" + f" {chr(0x0F77) * 21}" * 5950,
}


@pytest.fixture
def store(postgresql_url: str, open_stores: OpenStores) -> SqlStore:
    return open_stores(postgresql_url)


def execute(url: str, statement: str) -> Any:
    """Return the first value of the result, if there is one."""
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    engine.dispose()
    return value


def test_vector_has_places_humps_and_facets() -> None:
    assert to_tsvector("b getUser b", "s1 kmessage") == "b:1 getuser:2 b:3 get user =s1 =kmessage"
    assert to_tsvector("", "s1") == " =s1"


@pytest.mark.xdist_group("postgresql")
def test_large_texts_are_indexed(store: SqlStore) -> None:
    create(store)
    append(store, *map(says, LARGE.values()))
    index(store)
    assert seqs(store, "word*") == [4, 3, 2, 1]


_FULL_DISK = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON search_texts EXECUTE FUNCTION fail()
"""


@pytest.mark.xdist_group("postgresql")
def test_full_disk_of_the_server_pauses_the_index(store: SqlStore, postgresql_url: str) -> None:
    create(store)
    index(store)
    append(store, says("needle"))
    execute(postgresql_url, _FULL_DISK)
    with pytest.raises(IndexPausedError):
        index(store)
    assert seqs(store, "needle") == []
    execute(postgresql_url, "DROP TRIGGER full_disk ON search_texts")
    index(store)
    assert seqs(store, "needle") == [1]


@pytest.mark.xdist_group("postgresql")
def test_refused_text_leaves_the_index_usable(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(store)
    append(store, says("needle"))
    with monkeypatch.context() as patch:
        patch.setattr(postgresql_index, "to_tsvector", lambda *_: "'not a vector")
        with pytest.raises(StoreUnavailableError):
            index(store)
    index(store)
    assert seqs(store, "needle") == [1]


@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0])
def test_rare_words_are_found_in_blocks_of_any_size(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Each search of a block takes this long, so that blocks grow, stay or shrink."""
    for module in (postgresql_match, postgresql_reading):
        monkeypatch.setattr(module, "BLOCK_BITS", (2, 3, 6))
    monkeypatch.setattr(postgresql_reading, "_FIRST_CHECKED", 3)
    moments = count(step=seconds)
    monkeypatch.setattr(PostgresqlReading, "monotonic", lambda reading: next(moments))
    create(store)
    expected = [1, 2, 30, 31, 64, 90]
    append(store, *(says("needle" if seq in expected else "hay") for seq in range(1, 101)))
    index(store)
    assert seqs(store, "needle") == seqs(store, "nee*") == expected[::-1]
    found = sum(pages(store, "needle", limit=2), [])
    assert [seq for _, seq in found] == expected[::-1]


@pytest.mark.xdist_group("postgresql")
def test_no_word_waits_for_the_index_after_a_step(store: SqlStore, postgresql_url: str) -> None:
    create(store)
    append(store, *(says(f"needle {number}") for number in range(500)))
    index(store)
    waiting = execute(postgresql_url, "SELECT gin_clean_pending_list('ix_search_texts_words')")
    assert waiting == 0
