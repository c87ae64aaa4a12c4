"""The words of the index in PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from agent_session_manager.sql.search.postgresql_match import to_tsvector
from agent_session_manager.sql.store import SqlStore
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create
from tests.store.promises.events import says
from tests.store.search.searching import index, seqs

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


def test_vector_has_places_humps_and_facets() -> None:
    assert to_tsvector("b getUser b", "s1 kmessage") == "b:1 getuser:2 b:3 get user =s1 =kmessage"
    assert to_tsvector("", "s1") == " =s1"


@pytest.mark.xdist_group("postgresql")
def test_large_texts_are_indexed(store: SqlStore) -> None:
    create(store)
    append(store, *map(says, LARGE.values()))
    index(store)
    assert seqs(store, "word*") == [4, 3, 2, 1]


@pytest.mark.xdist_group("postgresql")
def test_no_word_waits_for_the_index_after_a_step(store: SqlStore, postgresql_url: str) -> None:
    create(store)
    append(store, *(says(f"needle {number}") for number in range(500)))
    index(store)
    engine = create_engine(postgresql_url)
    with engine.connect() as connection:
        waiting = connection.scalar(text("SELECT gin_clean_pending_list('ix_search_texts_words')"))
    engine.dispose()
    assert waiting == 0
