"""States, facets and sums of usage equal the rows that they are derived from, after any change."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import event

from agent_session_manager.domain.sessions.session import Reason
from agent_session_manager.sql.care.sums import rebuild_sums
from agent_session_manager.sql.care.verify import verify
from agent_session_manager.sql.database.url import sqlite_path
from agent_session_manager.sql.schema.rows import to_moment
from agent_session_manager.sql.schema.tables import questions, runs, sessions, usage_facts
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    ClaimLease,
    CreateSession,
    DeleteSession,
    OpenRun,
    ReapLeases,
    ReleaseLease,
    UpdateSession,
)
from agent_session_manager.store.retention import ArchiveSessions, DeleteArchived
from agent_session_manager.store.statistics import UsageBucket, UsageGroup, UsageQuery
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS
from tests.store.conftest import path_of, sqlite_url_in
from tests.store.promises.changes import appending, create, made
from tests.store.promises.events import SOME, asked, decision, question, stop, used
from tests.store.promises.history_promises import history, prompt, request
from tests.store.promises.stepped_clock import START, SteppedClock
from tests.store.transfer.exports import exported, imported
from tests.support.campaign import Campaign
from tests.support.doubled_price import doubled
from tests.support.earlier_schema import BEFORE_SUMS_OF_REQUESTS, make_earlier
from tests.support.postgresql import ON_POSTGRESQL
from tests.support.raw_reports import check_report
from tests.support.raw_sums import (
    ZONES,
    check_lists,
    check_questions,
    check_usage,
    derived_rows,
    read_rows,
)
from tests.support.waiting import WATCHDOG_SECONDS

OpenStores = Callable[..., SqlStore]

IDS = ["a", "b", "c", "d", "e"]
PROJECTS = [None, "/p", "/q", "/r"]
AGENTS = [None, "x", "y"]
HOLDERS = [None, "h1", "h2"]


def request_details(chance: Random, now: datetime) -> dict[str, Any]:
    """Return the details of a request: without a time, in the run, or days away from its start."""
    moment = now + timedelta(seconds=chance.choice([0, 0.5, 1700, 86_400, -50_000, 900_000]))
    return {"model": chance.choice(["known", "unknown", None])} | chance.choice([
        {}, {"timestamp": moment.isoformat()},
        {"timestamp": moment.isoformat(), "request_key": f"all:{chance.choice('kl')}"},
    ])  # fmt: skip


def draw(chance: Random, now: datetime, ids: list[str] = IDS) -> Change[Any]:
    """Return a random change. About half of them succeed."""
    session_id, holder, run = chance.choice(ids), chance.choice(HOLDERS), chance.choice([1, 2, 3])
    project_dir, agent_name = chance.choice(PROJECTS), chance.choice(AGENTS)
    resumed: dict[str, Any] = {"session_id": session_id, "holder": holder, "host": holder}
    idle_since = now - timedelta(hours=chance.choice([0, 30]))
    moved: list[dict[str, Any]] = [
        {"agent_name": agent_name}, {"project_dir": project_dir}, {"session_name": "other"},
        {"archived": True}, {"archived": False}, {"last_resumed_at": START},
        {"agent_name": "z", "archived": chance.choice([True, False]), "last_resumed_at": START},
    ]  # fmt: skip
    new = CreateSession(
        session_id=session_id,
        session_name="n",
        project_dir=project_dir,
        agent_name=agent_name,
        executor=chance.choice([None, "claude", "x"]),
        host=holder,
        holder=holder,
        parent_session_id=chance.choice([None, *ids]),
    )
    events = chance.choices([
        SOME, used(chance.randint(0, 9)), used(4, run=run), {"event_type": "usage", "usage": {}},
        asked(chance.choice("mn"), chance.randint(0, 9)), asked("o", 5, run=run),
        asked(chance.choice("pqrst"), chance.randint(0, 9), **request_details(chance, now)),
        used(10**11), stop(reason=chance.choice([*Reason]).value), stop(exit_code=1, run=run),
        stop(reason="lost", run=run), question(chance.choice("xyz")), question("w", run=run),
        decision(chance.choice("xyz")),
    ], k=chance.randint(1, 3))  # fmt: skip
    said = [prompt(f"e{place}", place) for place in range(chance.randint(0, 3))]
    end = chance.choice([None, Reason.COMPLETED, Reason.STOPPED, Reason.LOST, Reason.LOST])
    found = history(
        *said,
        session_id=session_id,
        begins=chance.random() < 0.7,
        requests=[request(chance.choice("uv"), chance.randint(0, 9))] if said else [],
        reason=end,
        holder=holder if end is Reason.LOST else None,
    )
    changes: list[tuple[int, Callable[[], Change[Any]]]] = [
        (3, lambda: new),
        (4, lambda: found),
        (7, lambda: appending(session_id, *events)),
        (4, lambda: UpdateSession(session_id=session_id, **chance.choice(moved))),
        (1, lambda: DeleteSession(session_id=session_id, force=chance.random() < 0.5)),
        (3, lambda: OpenRun(**resumed, takeover=chance.random() < 0.5)),
        (2, lambda: ClaimLease(session_id=session_id, run=run, holder=holder or "h1")),
        (1, lambda: ReleaseLease(session_id=session_id, run=run, holder=holder or "h1")),
        (2, lambda: ReapLeases()),
        (1, lambda: ArchiveSessions(session_ids=ids, before=idle_since)),
        (1, lambda: DeleteArchived(session_ids=ids, before=idle_since)),
    ]
    (make,) = chance.choices([make for _, make in changes], [weight for weight, _ in changes])
    return make()


def draw_report(chance: Random, since: datetime, now: datetime) -> UsageQuery:
    return UsageQuery(
        since=chance.choice([since, datetime(1970, 1, 1, tzinfo=UTC)]),
        until=chance.choice([None, now]),
        bucket=chance.choice([*UsageBucket]),
        zone=chance.choice(ZONES),
        group=chance.choice([*UsageGroup]),
        limit=10_000,
    )


def change_at_random(store: SqlStore, clock: SteppedClock, chance: Random) -> None:
    clock.move(chance.choice([0, 0.25, 20, 50, 3600, 5000, 40_000, 300_000]))
    store.commit([draw(chance, clock.now) for _ in range(chance.choice([1, 1, 2, 8]))])


def moments(store: SqlStore, clock: SteppedClock, chance: Random) -> list[datetime]:
    """Return moments in hours in which runs began, and the longest time that is summed up."""
    begun = [to_moment(row["started_at"]) for row in read_rows(store, runs)] or [clock.now]
    exact, other = chance.choice(begun), chance.choice(begun)
    within = other + timedelta(seconds=chance.uniform(-1800, 1800))
    return [exact, exact + timedelta(microseconds=1), within, clock.now - timedelta(days=400)]


@pytest.mark.stress
def test_sums_equal_the_record_after_any_change(
    campaign: Campaign, database_url: str, open_stores: OpenStores, clock: SteppedClock
) -> None:
    store, chance = open_stores(database_url, price_of=doubled), campaign.chance()
    is_file = database_url.startswith("sqlite")
    for _ in range(campaign.count(short=25 if is_file else 8, long=5000)):
        for _ in range(2):  # a check takes longer than a change, and sees the faults of both
            change_at_random(store, clock, chance)
        check_lists(store)
        check_questions(store)
        since = chance.choice(moments(store, clock, chance))
        check_usage(store, clock.now, since, chance.choice(ZONES))
        check_report(store, draw_report(chance, since, clock.now))
    store.close()
    if is_file:
        assert verify(Path(sqlite_path(database_url)))[1] == []


def test_ends_of_several_sessions_are_one_transaction(store: SqlStore) -> None:
    """A statement that cannot be executed for several sessions would cost one commit for each."""
    ids = [create(store, str(number)).session_id for number in range(3)]
    commits: list[object] = []
    note = commits.append
    event.listen(store._database.writing, "commit", note)
    store.commit([appending(session_id, question(), stop()) for session_id in ids])
    store.commit([appending(session_id, stop(run=1)) for session_id in ids])
    event.remove(store._database.writing, "commit", note)
    assert len(commits) == 2


def test_open_questions_are_those_of_runs_that_may_return(
    store: SqlStore, clock: SteppedClock
) -> None:
    """A lost run without its lease cannot return: another command has recorded its end."""
    for name in ("ended", "lost", "released"):
        create(store, name, holder="me")
        made(store, appending(name, question("a")))
    made(store, appending("ended", stop(run=1, reason="lost"), question("b", run=1)))
    clock.move(DEFAULT_LEASE_SECONDS + 1)
    made(store, ReapLeases())
    made(store, ReleaseLease(session_id="released", run=1, holder="me"))
    for name in ("lost", "released"):
        made(store, appending(name, question("b", run=1)))
    check_questions(store)
    assert len(read_rows(store, questions)) == 2


def test_usage_is_exact_in_the_hour_of_a_clock_change(store: SqlStore, clock: SteppedClock) -> None:
    for month, day, hour in ((3, 14, 5), (3, 28, 1), (4, 3, 15), (10, 2, 15)):
        clock.now = datetime(2027, month, day, hour - 1, 50, tzinfo=UTC)
        for number in range(8):
            create(store, f"{month} {day} {number}", agent_name="x")
            clock.move(13 * 60)
    for zone in ZONES:
        check_usage(store, clock.now, START, zone)
        check_usage(store, datetime(2027, 3, 14, 12, tzinfo=UTC), START, zone)


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """Return a database that many changes have filled, and the time of its clock after them."""
    url, clock, chance = sqlite_url_in(tmp_path_factory.mktemp("filled")), SteppedClock(), Random(1)
    with closing(open_store(url, clock=clock)) as store:
        for _ in range(150):
            change_at_random(store, clock, chance)
        while not all(derived_rows(store)):
            change_at_random(store, clock, chance)
    return path_of(url), clock.now


@pytest.fixture
def filled(
    filled_once: tuple[Path, datetime],
    sqlite_url: str,
    open_stores: OpenStores,
    clock: SteppedClock,
) -> SqlStore:
    """Return a store with rows of every derived table."""
    database, clock.now = filled_once
    shutil.copy2(database, path_of(sqlite_url))
    return open_stores(sqlite_url)


@pytest.fixture(params=["elsewhere", ON_POSTGRESQL])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a second database, without tables."""
    if request.param == "elsewhere":
        return f"sqlite:///{tmp_path / 'elsewhere.db'}"
    url: str = request.getfixturevalue("bare_postgresql_url")
    return url


def test_migration_derives_the_sums(
    filled: SqlStore, other_url: str, open_stores: OpenStores
) -> None:
    tables = [(table, read_rows(filled, table)) for table in (sessions, runs, usage_facts)]
    make_earlier(other_url, *tables, revision=BEFORE_SUMS_OF_REQUESTS)
    facets_of_before = 1
    found, expected = derived_rows(open_stores(other_url)), derived_rows(filled)
    del found[facets_of_before], expected[facets_of_before]
    assert found == expected


def test_first_migration_derives_the_sums(
    filled: SqlStore, sqlite_url: str, other_url: str, open_stores: OpenStores
) -> None:
    with closing(sqlite3.connect(sqlite_path(sqlite_url))) as connection, connection:
        connection.execute("DELETE FROM usage_facts")
        rebuild_sums(connection)
    of_sessions, of_runs = read_rows(filled, sessions), read_rows(filled, runs)
    make_earlier(other_url, (sessions, of_sessions), (runs, of_runs))
    assert derived_rows(open_stores(other_url)) == derived_rows(filled)


def test_import_derives_the_sums(
    filled: SqlStore, sqlite_url: str, other_url: str, open_stores: OpenStores, clock: SteppedClock
) -> None:
    store = open_stores(other_url)
    create(store, "mine", agent_name="x", project_dir="/p")
    store.close()
    imported(other_url, exported(sqlite_url))
    store = open_stores(other_url)
    check_lists(store)
    for zone in ZONES:
        check_usage(store, clock.now, START, zone)
    made(store, DeleteSession(session_id="mine"))
    assert derived_rows(store) == derived_rows(filled)


@pytest.mark.xdist_group("postgresql")
def test_two_managers_keep_the_same_sums(postgresql_url: str, open_stores: OpenStores) -> None:
    stores = [open_stores(postgresql_url) for _ in range(2)]

    def change(number: int) -> None:
        chance = Random(number)
        for _ in range(100):
            ids = [*"abc", *(f"{number}{each}" for each in "abc")]
            stores[number].commit([draw(chance, START, ids)])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(change, range(2), timeout=WATCHDOG_SECONDS))
    check_lists(stores[0])
    check_usage(stores[1], START, START, UTC)


def statements_of(store: SqlStore, *changes: Change[Any]) -> list[str]:
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    event.listen(store._database.writing, "before_cursor_execute", note)
    store.commit(changes)
    event.remove(store._database.writing, "before_cursor_execute", note)
    return seen


def test_ordinary_events_need_no_statement_for_sums(store: SqlStore) -> None:
    for session_id in "ab":
        create(store, session_id, agent_name="x")
    texts = {
        name: " ".join(statements_of(store, *(appending(each, event) for each in "ab")))
        for name, event in {"some": SOME, "usage": used(1), "stop": stop()}.items()
    }
    about_sums = {name: text.count("agent_name") > 0 for name, text in texts.items()}
    assert about_sums == {"some": False, "usage": True, "stop": True}
