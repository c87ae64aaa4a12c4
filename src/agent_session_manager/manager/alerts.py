"""The use cases of alerts: reading those that are due, and settling them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from agent_session_manager.concurrency.reader import Reader
from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.sessions.alert import AlertState
from agent_session_manager.store.alerts import DropAlerts, DueAlerts, GiveUpAlerts, SettleAlert
from agent_session_manager.store.protocol import Store


class AlertQueue:
    """The queue of a store, for the task that delivers."""

    def __init__(self, store: Store, writer: Writer, reader: Reader) -> None:
        self._store = store
        self._writer = writer
        self._read = reader.read

    def arrivals(self) -> asyncio.Event:
        """Return an event that each commit with alerts sets from now on."""
        arrived = asyncio.Event()
        loop = asyncio.get_running_loop()

        def note_from_thread() -> None:
            loop.call_soon_threadsafe(arrived.set)

        self._store.alerts.watch(note_from_thread)
        return arrived

    async def read_due(self, target_ids: Collection[str]) -> DueAlerts:
        """Read the alert of each target that is due now."""
        return await self._read(lambda store: store.alerts.read_due(target_ids))

    async def settle(self, change: SettleAlert) -> AlertState | None:
        """Record an attempt."""
        return await self._writer.commit(change)

    async def give_up(self, change: GiveUpAlerts) -> int:
        """Give up all alerts of a target; return their number."""
        return await self._writer.commit(change)

    async def drop(self, change: DropAlerts) -> None:
        """Delete the alerts of removed targets, and old ones."""
        await self._writer.commit(change)
