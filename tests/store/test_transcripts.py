"""The promises of the store for transcripts, on each kind of database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_session_manager.domain.errors import (
    RecordBehindError,
    TranscriptNotFoundError,
    VersionConflictError,
)
from agent_session_manager.domain.transcript import AppendedEntries, NewEntry, TranscriptKey
from agent_session_manager.sql.read.transcripts import PAGE_BYTES
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import CreateSession, DeleteSession
from agent_session_manager.store.transcripts import (
    AppendTranscript,
    DeleteTranscript,
    PutTranscriptSummary,
    TranscriptFilter,
)
from tests.support.waiting import WATCHDOG_SECONDS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MAIN = TranscriptKey(project_key="-home-x-proj", session_id="s")
AGENT = TranscriptKey(project_key="-home-x-proj", session_id="s", subpath="subagents/agent-1")
MANY = 1000


@pytest.fixture
def stored(database_url: str) -> Iterator[SqlStore]:
    """Open a store whose clock does not move."""
    opened = open_store(database_url, clock=lambda: NOW)
    yield opened
    opened.close()


def made(store: SqlStore, change: Change[Any]) -> Any:
    (outcome,) = store.commit([change])
    return outcome


def appending(
    key: TranscriptKey, *lines: str, ids: dict[str, str] | None = None
) -> AppendTranscript:
    known = ids or {}
    entries = [NewEntry(line=line, entry_id=known.get(line)) for line in lines]
    return AppendTranscript(key=key, entries=entries)


def lines_of(store: SqlStore, key: TranscriptKey = MAIN, **where: Any) -> list[str]:
    page = store.transcripts.list_entries(key, **{"after": 0, "limit": MANY, **where})
    return page.lines


def putting(expected: int, version: int, text: str = "{}") -> Change[Any]:
    return PutTranscriptSummary(key=MAIN, expected_version=expected, version=version, text=text)


def test_append_is_refused_if_the_transcript_is_behind(stored: SqlStore) -> None:
    knowing = {known: replace(appending(MAIN, f"[{known}]"), known=known) for known in (0, 1, 2, 9)}
    outcomes = stored.commit([knowing[1], knowing[0], knowing[1], knowing[9], knowing[2]])
    assert [type(outcome) for outcome in outcomes] == [
        RecordBehindError,
        *[AppendedEntries] * 2,
        RecordBehindError,
        AppendedEntries,
    ]
    assert lines_of(stored) == ["[0]", "[1]", "[2]"]


def test_lines_are_returned_unchanged_in_commit_order(stored: SqlStore) -> None:
    strange = r'{"a": "\u0000\ud800é🦾\u2028",  "n": 1e999, "i": ' + "9" * 400 + "}"
    outcomes = stored.commit([appending(MAIN, "{}", strange), appending(MAIN, '{"b":1}', "{}")])
    assert outcomes == [
        AppendedEntries(appended=2, last_position=2),
        AppendedEntries(appended=2, last_position=4),
    ]
    assert lines_of(stored) == ["{}", strange, '{"b":1}', "{}"]


def test_line_with_a_known_id_is_not_added_again(stored: SqlStore) -> None:
    ids = {"{1}": "1", "{2}": "2", "{3}": "3"}
    first = made(stored, appending(MAIN, "{1}", "{}", "{1}", ids=ids))
    again = made(stored, appending(MAIN, "{1}", "{2}", "{3}", "{2}", ids=ids))
    nothing_new = made(stored, appending(MAIN, "{3}", "{1}", ids=ids))
    assert [first, again, nothing_new] == [
        AppendedEntries(appended=2, last_position=2),
        AppendedEntries(appended=2, last_position=4),
        AppendedEntries(appended=0, last_position=4),
    ]
    assert lines_of(stored) == ["{1}", "{}", "{2}", "{3}"]
    made(stored, appending(AGENT, "{1}", ids=ids))
    assert lines_of(stored, AGENT) == ["{1}"]


def test_empty_append_creates_no_transcript(stored: SqlStore) -> None:
    assert made(stored, appending(MAIN)) == AppendedEntries(appended=0, last_position=0)
    with pytest.raises(TranscriptNotFoundError):
        lines_of(stored)


def test_page_is_limited_by_bytes_and_by_entries(stored: SqlStore) -> None:
    third = f'{{"a":"{"x" * (PAGE_BYTES // 3)}"}}'
    whole = f'{{"a":"{"x" * PAGE_BYTES}"}}'
    made(stored, appending(MAIN, third, third, third, "{}", whole, "{}"))
    after: int | None = 0
    pages = []
    while after is not None:
        page = stored.transcripts.list_entries(MAIN, after=after, limit=MANY)
        pages.append(len(page.lines))
        after = page.next_after
    assert pages == [2, 2, 1, 1]
    page = stored.transcripts.list_entries(MAIN, after=3, limit=1)
    assert (page.lines, page.next_after, page.last_position) == (["{}"], 4, 6)
    assert lines_of(stored, after=6) == []


def test_each_append_increases_updated_at_on_a_stopped_clock(stored: SqlStore) -> None:
    moments = []
    for _ in range(3):
        made(stored, appending(MAIN, "{}"))
        listed = stored.transcripts.list_transcripts(
            TranscriptFilter(project_key=MAIN.project_key), limit=MANY
        )
        moments.append(listed.transcripts[0].updated_at)
    milliseconds = [int(moment.timestamp() * 1000) for moment in moments]
    assert milliseconds == sorted(set(milliseconds))


def test_summary_is_replaced_only_with_its_current_version(stored: SqlStore) -> None:
    assert isinstance(made(stored, putting(0, 1)), TranscriptNotFoundError)
    made(stored, appending(MAIN, "{}", "{}", "{}"))
    where = TranscriptFilter(project_key=MAIN.project_key)
    outcomes = stored.commit(
        [
            putting(0, 2, '{"v": 2}'),
            putting(0, 3),
            putting(1, 3),
            putting(2, 4),  # more entries than the transcript has
            putting(2, 3, '{"v": 3}'),
        ]
    )
    assert [o if isinstance(o, int) else type(o) for o in outcomes] == [
        2,
        VersionConflictError,
        VersionConflictError,
        VersionConflictError,
        3,
    ]
    (summary,) = stored.transcripts.list_summaries(where, limit=MANY).summaries
    assert (summary.session_id, summary.version, summary.text) == ("s", 3, '{"v": 3}')


def test_incomplete_summary_is_older_than_its_transcript(stored: SqlStore) -> None:
    where = TranscriptFilter(project_key=MAIN.project_key)

    def lag() -> float:
        (transcript,) = stored.transcripts.list_transcripts(where, limit=MANY).transcripts
        (summary,) = stored.transcripts.list_summaries(where, limit=MANY).summaries
        return (transcript.updated_at - summary.updated_at).total_seconds()

    stored.commit([appending(MAIN, "{}"), putting(0, 1)])
    assert lag() == 0
    made(stored, appending(MAIN, "{}", "{}"))
    assert lag() >= 0.001
    made(stored, putting(1, 2))
    assert lag() >= 0.001
    made(stored, putting(2, 3))
    assert lag() == 0


def test_deletion_of_a_main_transcript_includes_its_subpaths(stored: SqlStore) -> None:
    other_agent = TranscriptKey(project_key="-home-x-proj", session_id="s", subpath="agent-2")
    elsewhere = TranscriptKey(project_key="-home-x", session_id="s")
    keys = [MAIN, AGENT, other_agent, elsewhere]
    stored.commit([*(appending(key, "{}") for key in keys), putting(0, 1)])

    def left() -> list[TranscriptKey]:
        pages = [
            stored.transcripts.list_transcripts(TranscriptFilter(project_key=key), limit=MANY)
            for key in ("-home-x-proj", "-home-x")
        ]
        return [transcript.key for page in pages for transcript in page.transcripts]

    assert left() == keys
    assert made(stored, DeleteTranscript(key=AGENT)) == 1
    assert left() == [MAIN, other_agent, elsewhere]
    assert made(stored, DeleteTranscript(key=MAIN)) == 2
    assert left() == [elsewhere]
    assert made(stored, DeleteTranscript(key=MAIN)) == 0
    where = TranscriptFilter(project_key="-home-x-proj")
    assert stored.transcripts.list_summaries(where, limit=MANY).summaries == []
    assert made(stored, appending(MAIN, "{}")) == AppendedEntries(appended=1, last_position=1)
    assert isinstance(made(stored, putting(1, 2)), VersionConflictError)


def test_deletion_of_a_session_includes_all_its_transcripts(stored: SqlStore) -> None:
    elsewhere = TranscriptKey(project_key="-tmp", session_id="s")
    of_another = TranscriptKey(project_key="-tmp", session_id="t")
    keys = (MAIN, AGENT, elsewhere, of_another)
    stored.commit([CreateSession(session_id="s", session_name="n")])
    stored.commit([*(appending(key, "{}") for key in keys), putting(0, 1)])
    made(stored, DeleteSession(session_id="s"))
    for key in (MAIN, AGENT, elsewhere):
        with pytest.raises(TranscriptNotFoundError):
            lines_of(stored, key)
    assert lines_of(stored, of_another) == ["{}"]


def test_lists_can_be_paged_and_filtered(stored: SqlStore) -> None:
    keys = [TranscriptKey(project_key="p", session_id=f"s{n}") for n in range(5)]
    agent = TranscriptKey(project_key="p", session_id="s1", subpath="a")
    stored.commit([appending(key, "{}") for key in [*keys, agent]])
    reads = stored.transcripts
    found: list[TranscriptKey] = []
    after: int | None = 0
    while after is not None:
        page = reads.list_transcripts(TranscriptFilter(project_key="p"), limit=2, after=after)
        assert len(page.transcripts) == 2
        found += [transcript.key for transcript in page.transcripts]
        after = page.next_page
    assert found == [*keys, agent]
    for is_main, expected in ((True, [keys[1]]), (False, [agent]), (None, [keys[1], agent])):
        where = TranscriptFilter(project_key="p", session_id="s1", is_main=is_main)
        page = reads.list_transcripts(where, limit=MANY)
        assert [transcript.key for transcript in page.transcripts] == expected
    where = TranscriptFilter(project_key="p", subpath=agent.subpath)
    assert [each.key for each in reads.list_transcripts(where, limit=MANY).transcripts] == [agent]


@pytest.mark.xdist_group("postgresql")
def test_two_managers_on_one_database_append_each_line_once(postgresql_url: str) -> None:
    both = [open_store(postgresql_url, clock=lambda: NOW) for _ in range(2)]
    together = threading.Barrier(2)
    shared = {f'{{"n":{n}}}': f"id-{n}" for n in range(60)}

    def append(store: SqlStore) -> None:
        together.wait(WATCHDOG_SECONDS)
        for line in shared:
            made(store, appending(MAIN, line, ids=shared))

    threads = [threading.Thread(target=append, args=(store,)) for store in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG_SECONDS)
    assert lines_of(both[0]) == list(shared)
    for store in both:
        store.close()
