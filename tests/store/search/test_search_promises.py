"""Both databases keep the promises of `store/search.py`."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_session_manager.domain.errors import InvalidQueryError, InvalidRequestError
from agent_session_manager.domain.sessions.session import State
from agent_session_manager.search.extract import Kind
from agent_session_manager.sql.search.base import find as finding
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import DeleteSession
from agent_session_manager.store.search import FoundSession, Hit, SearchSort
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create, made, update
from tests.store.promises.events import SOME, says
from tests.store.promises.stepped_clock import START, SteppedClock
from tests.store.search.searching import find, index, pages, places, seqs
from tests.support.rows import each_row


def fill(store: SqlStore, *texts: str, session_id: str = "s") -> None:
    create(store, session_id)
    append(store, *(says(text) for text in texts), session_id=session_id)


TEXTS = (
    "the quick brown fox",
    "getUserById in src/store/tables.py",
    "error-401: snake_case failed",
    "Ünïcode ＷＩＤＥ Straße",
    "我昨晚重跑gen-itgc后",
    "quick quick quick",
)
FOUND = {
    "quick": [6, 1],
    "quick fox": [1],
    '"quick brown"': [1],
    '"quick fox"': [],
    "qui*": [6, 1],
    '"quick bro"*': [1],
    "quick -fox": [6],
    "getuserbyid": [2],
    "user": [2],
    '"user by"': [],
    "tables.py": [2],
    "store/tables": [2],
    "store/py": [],
    "error-401": [3],
    "snake_case": [3],
    "case": [3],
    "unicode wide strasse": [4],
    "ÜNÏCODE": [4],
    "昨晚": [5],
    "晚": [5],
    "后": [5],
    "重跑gen": [5],
    "跑昨": [],
    "AND": [],
    "qui": [],
}


def test_words_phrases_prefixes_and_exclusions_are_found(store: SqlStore) -> None:
    fill(store, *TEXTS)
    index(store)
    assert {query: seqs(store, query) for query in FOUND} == FOUND


def test_hit_has_the_facts_of_its_event(store: SqlStore) -> None:
    create(store, session_name="a name", project_dir="/p", agent_name="coder")
    tool = {
        "event_type": "post_tool",
        "tool_name": "Bash",
        "tool_output": "the output",
        "error": "it failed",
        "timestamp": "2026-01-02T03:04:05+00:00",
    }
    append(store, SOME, tool)
    index(store)
    page = find(store, "output")
    (hit,) = page.hits
    assert hit == Hit(
        session=FoundSession(
            session_id="s",
            session_name="a name",
            project_dir="/p",
            agent_name="coder",
            agent="coder",
        ),
        seq=2,
        run=1,
        event_type="post_tool",
        kind=Kind.TOOL_OUTPUT,
        tool_name="Bash",
        has_error=True,
        occurred_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        snippet=hit.snippet,
    )
    assert hit.snippet.text == "Bash the output it failed"
    assert hit.snippet.ranges == ((9, 15),)
    assert (page.considered, page.is_complete, page.next_page) == (1, True, None)


def test_answer_says_how_far_the_index_is(store: SqlStore) -> None:
    fill(store, "one", "two")
    before = find(store, "one")
    assert (before.hits, before.indexed_through, before.newest) == ([], 0, 2)
    assert index(store) == 2
    append(store, says("one more"))
    after = find(store, "one")
    assert (places(after), after.indexed_through, after.newest) == ([("s", 1)], 2, 3)
    index(store)
    assert seqs(store, "one") == [3, 1]


def test_copies_and_images_are_not_indexed(store: SqlStore) -> None:
    create(store)
    append(store, says("needle", inherited=True), {"event_type": "usage", "usage": {}, "x": "n"})
    index(store)
    page = find(store, "needle")
    assert (page.hits, page.indexed_through) == ([], 2)


def test_thinking_in_a_message_is_found_as_thinking(store: SqlStore) -> None:
    create(store)
    thinking = {"type": "thinking", "thinking": "needle in thought"}
    block = {"type": "text", "text": "needle in words"}
    append(store, {"event_type": "message", "role": "assistant", "content": [thinking, block]})
    append(store, {"event_type": "message", "role": "assistant", "content": [thinking]})
    index(store)

    def found(query: str, *kinds: Kind) -> list[tuple[int, Kind, str]]:
        hits = find(store, query, kinds=frozenset(kinds)).hits
        return [(hit.seq, hit.kind, hit.snippet.text) for hit in hits]

    message = (1, Kind.MESSAGE, "needle in words")
    first, second = ((seq, Kind.THINKING, "needle in thought") for seq in (1, 2))
    assert found("needle", Kind.MESSAGE) == [message]
    assert found("needle", Kind.THINKING) == [second, first]
    assert found("needle", *Kind) == [second, message, first]
    assert seqs(store, "thought") == []
    every = sum(pages(store, "needle", limit=1, kinds=frozenset(Kind)), [])
    assert every == [("s", 2), ("s", 1), ("s", 1)]


def filled_for_filters(store: SqlStore) -> None:
    create(store, "a", session_name="first", project_dir="/p", agent_name="x", executor="claude")
    create(store, "b", session_name="second", project_dir="/q", agent_name="y")
    append(
        store,
        says("needle"),
        {"event_type": "thinking", "content": [{"type": "thinking", "thinking": "needle"}]},
        {
            "event_type": "pre_tool",
            "tool_name": "Edit",
            "tool_input": {"file_path": "/p/src/a.py", "new_string": "needle"},
        },
        {"event_type": "post_tool", "tool_name": "Edit", "tool_output": "x", "error": "needle"},
        {"event_type": "diagnostic", "content": [{"type": "text", "text": "needle"}]},
        session_id="a",
    )
    append(store, says("needle", timestamp="2026-01-31T23:59:59Z"), session_id="b")
    append(store, says("needle", timestamp="2025-06-01T00:00:00Z"), session_id="b")
    append(store, {"event_type": "session_stop", "exit_code": 1}, session_id="b")
    index(store)


A1, A2, A3, A4, A5 = (("a", seq) for seq in range(1, 6))
B1, B2 = ("b", 1), ("b", 2)
JANUARY_31 = datetime(2026, 1, 31, tzinfo=UTC)
FILTERS: list[tuple[dict[str, Any], list[tuple[str, int]]]] = [
    ({}, [B2, B1, A5, A4, A3, A1]),
    ({"kinds": frozenset({Kind.THINKING})}, [A2]),
    ({"kinds": frozenset(Kind)}, [B2, B1, A5, A4, A3, A2, A1]),
    ({"kinds": frozenset({Kind.TOOL_INPUT, Kind.NOTE})}, [A5, A3]),
    ({"tool_name": "Edit"}, [A4, A3]),
    ({"tool_name": "edit"}, []),
    ({"has_error": True}, [A4]),
    ({"has_error": False}, [B2, B1, A5, A3, A1]),
    ({"session_id": "b"}, [B2, B1]),
    ({"session_id": "no such session"}, []),
    ({"project_dir": "/p"}, [A5, A4, A3, A1]),
    ({"project": "/Q"}, [B2, B1]),
    ({"agent_name": "y"}, [B2, B1]),
    ({"agent": "y"}, [B2, B1]),
    ({"agent": "claude"}, []),
    ({"executor": "claude"}, [A5, A4, A3, A1]),
    ({"state": (State.FAILED,)}, [B2, B1]),
    ({"since": JANUARY_31}, [B1, A5, A4, A3, A1]),
    ({"since": JANUARY_31, "until": JANUARY_31 + timedelta(days=1)}, [B1]),
    ({"since": JANUARY_31 + timedelta(days=1)}, [A5, A4, A3, A1]),
    ({"until": JANUARY_31}, [B2]),
    ({"since": datetime(1, 1, 1, tzinfo=UTC), "until": START}, [B2, B1]),
]


def test_filters(store: SqlStore) -> None:
    filled_for_filters(store)

    @each_row("filters", FILTERS, ids=lambda row: str(row[0]))
    def holds(filters: tuple[dict[str, Any], list[tuple[str, int]]]) -> None:
        where, expected = filters
        assert places(find(store, "needle", **where)) == expected

    holds()


def test_filters_on_many_sessions(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matches are then checked one by one, with the same result."""
    monkeypatch.setattr(finding, "MAX_SESSION_FACETS", 0)
    filled_for_filters(store)
    assert places(find(store, "needle", project_dir="/p")) == [A5, A4, A3, A1]
    assert places(find(store, "needle", agent_name="y", limit=1)) == [B2]


def test_filter_on_files(store: SqlStore) -> None:
    filled_for_filters(store)
    assert places(find(store, "file:src/a.py")) == [A3]
    assert places(find(store, "needle file:a.py")) == [A3]
    assert places(find(store, "file:b.py")) == []
    assert places(find(store, "needle -file:src/a.py", session_id="a")) == [A5, A4, A1]


def test_changed_project_and_agent_are_found_at_once(store: SqlStore) -> None:
    filled_for_filters(store)
    update(store, "b", project_dir="/new", agent_name="z")
    assert places(find(store, "needle", project_dir="/new", agent_name="z")) == [B2, B1]
    assert places(find(store, "needle", project_dir="/q")) == []


def test_names_of_sessions_are_found(store: SqlStore) -> None:
    create(store, "a", session_name="release plan")
    create(store, "b", session_name="other")
    append(store, says("plan"), session_id="b")
    index(store)

    def named(query: str, **filters: Any) -> list[str]:
        return [session.session_id for session in find(store, query, **filters).sessions]

    assert named("plan") == ["a"]
    assert named("release -plan") == []
    assert named("plan", session_id="b") == []
    assert named("plan", has_error=True) == []
    update(store, "a", session_name="done")
    update(store, "b", session_name="Plan B")
    index(store)
    assert named("plan") == ["b"]
    assert named("done") == ["a"]


def test_pages_have_every_hit_once(store: SqlStore) -> None:
    fill(store, *(f"needle {number}" for number in range(7)))
    fill(store, *(f"needle {number}" for number in range(3)), session_id="t")
    index(store)
    every = places(find(store, "needle"))
    for limit in (1, 3, 5, 10):
        found = pages(store, "needle", limit=limit)
        assert sum(found, []) == every
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert found[-1]


def test_best_hits_come_first(store: SqlStore) -> None:
    noise = " ".join(f"w{number}" for number in range(200))
    fill(store, f"needle {noise}", "needle needle needle", f"{noise} needle", "nothing")
    index(store)
    assert seqs(store, "needle", sort=SearchSort.BEST)[0] == 2
    found = pages(store, "needle", limit=1, sort=SearchSort.BEST)
    assert sorted(sum(found, [])) == [("s", 1), ("s", 2), ("s", 3)]


def test_best_pages_continue_past_the_ranked_matches(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_RANKED", 3)
    fill(store, *["needle"] * 8)
    index(store)
    found = pages(store, "needle", limit=2, sort=SearchSort.BEST)
    assert sorted(sum(found, [])) == [("s", seq) for seq in range(1, 9)]
    assert {seq for _, seq in sum(found[:2], [])} == {6, 7, 8}


@pytest.mark.parametrize("sort", SearchSort)
def test_hits_are_grouped_by_session_on_request(store: SqlStore, sort: SearchSort) -> None:
    for name in "abc":
        create(store, name)
    for name in "abcab":
        append(store, says("needle"), says("nothing"), session_id=name)
    index(store)
    found = pages(store, "needle", limit=2, by_session=True, sort=sort)
    assert sum(found, []) == [("b", 3), ("a", 3), ("c", 1)]


def test_deleted_session_is_not_found_before_and_after_indexing(store: SqlStore) -> None:
    fill(store, "needle in a")
    fill(store, "needle in b", session_id="t")
    index(store)
    made(store, DeleteSession(session_id="s"))
    assert places(find(store, "needle")) == [("t", 1)]
    assert find(store, "s").sessions == []
    index(store)
    assert places(find(store, "needle")) == [("t", 1)]
    fill(store, "needle again")  # the id is used again
    index(store)
    assert places(find(store, "needle")) == [("s", 1), ("t", 1)]


def test_session_deleted_before_indexing_leaves_nothing(store: SqlStore) -> None:
    fill(store, "needle")
    made(store, DeleteSession(session_id="s"))
    index(store)
    assert places(find(store, "needle")) == []


def test_late_search_returns_a_part_and_a_mark(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, *["needle"] * 120, "hay")
    index(store)
    monkeypatch.setattr(finding, "BUDGET_SECONDS", -1.0)
    page = find(store, "needle", limit=200)
    assert (page.is_complete, page.next_page is None) == (False, False)
    assert [seq for _, seq in sum(pages(store, "needle", limit=200), [])] == [*range(120, 0, -1)]


@pytest.mark.parametrize("mark", [(), ("a",), (1, 2), (-1,), (2**63,), (True,), (1.5,), (None,)])
def test_mark_of_another_order_is_refused(store: SqlStore, mark: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidRequestError):
        find(store, "needle", after=mark)


def test_index_continues_in_another_process(
    database_url: str, open_stores: OpenStores, clock: SteppedClock
) -> None:
    store = open_stores(database_url)
    fill(store, "needle")
    index(store)
    store.close()
    store = open_stores(database_url)
    assert find(store, "needle").indexed_through == 1
    append(store, says("needle"))
    index(store)
    assert seqs(store, "needle") == [2, 1]


HOSTILE = [
    "'); DROP TABLE events; --",
    'a" OR "b',
    "NEAR(a b, 3)",
    "body : x",
    "^x + {a} : b",
    "a & !b | (c <-> d):*",
    "\\' \\\\ %s :x",
    "facets : s1",
    "=s1",
    "\ud7ff\ue000\U000fffff x",
]


@pytest.mark.parametrize("sort", SearchSort)
def test_hostile_query_is_only_words(store: SqlStore, sort: SearchSort) -> None:
    fill(store, *HOSTILE)
    index(store)
    for seq, text in enumerate(HOSTILE, 1):
        assert seq in seqs(store, text.replace('"', " ").replace("-", " "), sort=sort)
        with contextlib.suppress(InvalidQueryError):
            find(store, text, sort=sort)


CHARACTERS = st.sampled_from("abAB1 _-.'\"\\:&|!*()é守昨晚 の가\u0301=")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(CHARACTERS, max_size=20), max_size=6))
def test_text_is_found_by_each_of_its_words(store: SqlStore, texts: list[str]) -> None:
    session_id = uuid4().hex
    create(store, session_id)
    if texts:
        append(store, *(says(text) for text in texts), session_id=session_id)
    index(store)
    for seq, text in enumerate(texts, 1):
        for word in text.split():
            query = word.replace('"', ".")
            try:
                found = seqs(store, f'"{query}"', session_id=session_id)
            except InvalidQueryError:
                continue
            assert seq in found, query
