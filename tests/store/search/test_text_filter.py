"""The filter `text` of lists: it finds the same with the search index as without it."""

from __future__ import annotations

import pytest

from agent_session_manager.sql import store as sql_store
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.queries import SessionFilter
from tests.store.promises.changes import create, update
from tests.store.search.searching import index

SESSIONS = {
    "plain": "Release plan",
    "upper": "RELEASE PLAN",
    "per-cent": "100% of a_b",
    "other": "1000 of aXb/",
    "accents": "Prüfung ÉCOLE café",
    "cjk": "検索フィルタの試験",
    "emoji": "ship 🚀🚀🚀 it",
    "turkish": "İSTANBUL ıstanbul",
    "kelvin": "300 Kelvin",
    "marks": 'it\'s "so" -- \\ ; * AND (x)',
    "lines": "first second",
}
TEXTS = (
    *("release", "REL", "plan", "lease p", "e", "", "zzz", "Release plan and more", "/odd/Dir"),
    *(
        "100%",
        "%",
        "a_b",
        "_",
        "aXb/",
        "axb",
        "prüfung",
        "PRÜFUNG",
        "école",
        "CAFÉ",
        "cafe",
        "fung é",
    ),
    *(
        "検索",
        "検索フィルタ",
        "タの試",
        "🚀🚀🚀",
        "🚀",
        "istanbul",
        "İSTANBUL",
        "stan",
        "ıst",
        "kelvin",
        "Kel",
    ),
    *("it's", '"so"', "-- ", "\\", "; *", "AND (", "agent-", "command", "cjk", "per-c", "x" * 500),
)


def fill(store: SqlStore) -> None:
    for session_id, name in SESSIONS.items():
        create(store, session_id, session_name=name, project_dir="/odd/dir", agent_name="Agent-7")


def listed(store: SqlStore, text: str) -> set[str]:
    page = store.list_sessions(SessionFilter(text=text), limit=100)
    assert store.count_sessions(SessionFilter(text=text)) == len(page.sessions)
    return {session.session_id for session in page.sessions}


def test_same_sessions_are_listed_with_an_index(store: SqlStore) -> None:
    fill(store)
    before = {text: listed(store, text) for text in TEXTS}
    assert before["release"] == {"plain", "upper"}
    assert before["100%"] == {"per-cent"}
    assert before["検索フィルタ"] == {"cjk"}
    index(store)
    assert {text: listed(store, text) for text in TEXTS} == before


def test_index_narrows_a_rare_text(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    assert store.search.narrow("release", 10) is None  # nothing is indexed yet
    index(store)
    narrowed = store.search.narrow("release", 2)
    assert narrowed is not None
    assert len(narrowed.numbers) == 2
    assert store.search.narrow("release", 1) is None  # more than that
    assert store.search.narrow("re", 10) is None  # too short
    assert store.search.narrow("検索フィルタ", 10) is None  # only ASCII is indexed
    monkeypatch.setattr(sql_store, "MOST", 1)
    assert listed(store, "release") == {"plain", "upper"}


def test_changes_after_the_index_are_listed(store: SqlStore) -> None:
    fill(store)
    index(store)
    create(store, "new", session_name="release notes")
    update(store, "plain", session_name="something else")
    update(store, "other", agent_name="Releaser")
    store.commit([DeleteSession(session_id="upper")])
    for _ in range(2):
        assert listed(store, "RELEASE") == {"new", "other"}
        assert listed(store, "something") == {"plain"}
        index(store)
    assert store.search.narrow("ase pla", 10).numbers == []  # type: ignore[union-attr]
