"""Automatic tasks of a manager, with a real store and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from agent_session_manager.background.retention import LOOK_SECONDS, Retention, Terms
from agent_session_manager.background.tasks import Upkeep
from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.domain.events.event import parse_event
from agent_session_manager.feed.frames import Frame, SessionDeleted
from agent_session_manager.machine.clock import Time
from agent_session_manager.manager.manager import Manager
from agent_session_manager.settings import load_settings
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.changes import CreateSession, UpdateSession
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.retention import ArchiveSessions, DeleteArchived
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.loops import run

STOP = {"event_type": "session_stop"}
DAY = timedelta(days=1)


async def finish(manager: Manager, session_id: str) -> None:
    await manager.create_session(CreateSession(session_id=session_id, session_name="n"))
    await manager.append(session_id, [parse_event(STOP, session_id=session_id)])


async def ids(manager: Manager) -> set[str]:
    page = await manager.list_sessions(SessionFilter(), limit=99)
    return {session.session_id for session in page.sessions}


def test_followers_get_the_deletion_by_retention(sqlite_url: str, clock: SteppedClock) -> None:
    passed = 0.0

    async def scenario() -> None:
        nonlocal passed
        store = open_store(sqlite_url, clock=clock)
        async with Manager.open(store) as manager:
            terms = Terms(archive=DAY, delete_archived=DAY)
            retention = Retention(manager, terms, time=Time(clock=clock, monotonic=lambda: passed))

            async def hours(count: int) -> None:
                nonlocal passed
                for _ in range(count):
                    passed += LOOK_SECONDS
                    clock.move(LOOK_SECONDS)
                    await retention.look()

            await retention.look()
            await finish(manager, "s")
            await manager.create_session(CreateSession(session_id="runs", session_name="n"))
            frames = manager.follow("s", 0, forever=True)
            await anext(frames)
            await hours(24)
            assert (await manager.get_session("s")).archived_at is None
            await hours(1)
            assert (await manager.get_session("s")).archived_at == clock.now
            await hours(24)
            assert await ids(manager) == {"s", "runs"}
            told = asyncio.create_task(_deleted(frames))
            await hours(1)
            await told
            assert await ids(manager) == {"runs"}
            assert retention.counts[ArchiveSessions] == retention.counts[DeleteArchived] == 1

    run(scenario())


async def _deleted(frames: AsyncGenerator[Frame]) -> None:
    """Read the feed until its session is deleted."""
    async for frame in frames:
        if isinstance(frame, SessionDeleted):
            return


def test_upkeep_does_nothing_by_default(sqlite_url: str, clock: SteppedClock) -> None:
    async def scenario() -> None:
        store = open_store(sqlite_url, clock=clock)
        async with Manager.open(store) as manager:
            upkeep = Upkeep(
                manager,
                load_settings({}, state_dir="/none"),
                database=None,
                url="",
                time=Time(clock=clock),
            )
            async with upkeep.going_on():
                names = {task.get_name() for task in asyncio.all_tasks()}
                assert "reaper" in names and not {"retention", "backups", "import"} & names
            assert (upkeep.retention, upkeep.backups, upkeep.history_import) == (None, None, None)

    run(scenario())


def test_unarchived_session_gets_a_full_retention_term(
    sqlite_url: str, clock: SteppedClock
) -> None:
    async def scenario() -> None:
        store = open_store(sqlite_url, clock=clock)
        async with Manager.open(store) as manager:
            await finish(manager, "s")
            clock.move(9 * DAY.total_seconds())
            cursor = await manager.get_head()
            await manager.update_session(UpdateSession(session_id="s", archived=True))
            await manager.update_session(UpdateSession(session_id="s", archived=False))
            session = await manager.get_session("s")
            assert session.last_activity_at == clock.now
            assert len((await manager.read_changes(cursor, 9)).changes) == 1

    run(scenario())


def test_stopped_manager_does_not_vacuum(sqlite_url: str, clock: SteppedClock) -> None:
    async def scenario() -> None:
        store = open_store(sqlite_url, clock=clock)
        async with Manager.open(store) as manager:
            freed = await asyncio.gather(manager.vacuum(), manager.vacuum())
            assert freed[0] == freed[1]
        with pytest.raises(StoreUnavailableError):
            await manager.vacuum()

    run(scenario())
