"""Automatic work of a manager while it serves: reaping, indexing, notices, alerts and others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from agent_session_manager.alerts.sender import Sender
from agent_session_manager.alerts.targets_file import TargetsFile
from agent_session_manager.background.alert_delivery import AlertDelivery
from agent_session_manager.background.backups import Backups, backing_up
from agent_session_manager.background.history_import import HistoryImport, import_environment
from agent_session_manager.background.indexer import Indexer
from agent_session_manager.background.lease_reaper import Reaper
from agent_session_manager.background.notifier import Notifier
from agent_session_manager.background.quiet_watch import QuietWatch
from agent_session_manager.background.retention import Retention, Terms
from agent_session_manager.machine.clock import Time
from agent_session_manager.manager.manager import Manager
from agent_session_manager.settings import Settings, environment

BACKUPS = "backups"
"""Name of the backup directory in the state directory."""


RETRY_SECONDS = 60.0
"""Pause before a task that has failed begins again."""

logger = logging.getLogger(__name__)


class _Task(Protocol):
    async def run(self) -> None: ...


class Upkeep:
    """The background tasks; retention, backups and the import are None if they are off."""

    def __init__(
        self,
        manager: Manager,
        settings: Settings,
        *,
        database: Path | None,
        url: str,
        time: Time,
    ) -> None:
        """`database` is the SQLite file to back up, or None. `url` is the manager's own."""
        self._time = time
        self.reaper = Reaper(manager, time=time)
        self.quiet_watch = QuietWatch(manager, time=time)
        self.notifier = Notifier(manager.notices, time=time)
        self.indexer = Indexer(manager.indexing, time=time)
        terms = Terms(
            archive=_days(settings.archive_after_days),
            delete_archived=_days(settings.delete_archived_after_days),
            delete_transcripts=_days(settings.delete_transcripts_after_days),
        )
        self.retention = None
        if terms.are_set:
            self.retention = Retention(manager, terms, time=time)
        self.backups = None
        if settings.backup_every_hours and database is not None:
            self.backups = Backups(
                settings.state_dir / BACKUPS,
                database.stem,
                back_up=backing_up(settings.resolved_database_url),
                every=timedelta(hours=settings.backup_every_hours),
                kept=settings.backups_kept,
                time=time,
            )

        targets = TargetsFile(settings.state_dir)
        sender = Sender(url, environment(), time=time)
        self.alert_delivery = AlertDelivery(manager.alerts, targets, sender, time=time)
        self.history_import = None
        if settings.import_history:
            of_child = import_environment(environment(), url=url, state_dir=settings.state_dir)
            self.history_import = HistoryImport(of_child, time=time)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Run the tasks until the block ends; this cancels a backup in progress."""
        watches: dict[str, _Task | None] = {
            "reaper": self.reaper,
            "quiet": self.quiet_watch,
            "notifier": self.notifier,
            "indexer": self.indexer,
            "retention": self.retention,
            "backups": self.backups,
            "alerts": self.alert_delivery,
            "import": self.history_import,
        }
        tasks = {
            asyncio.create_task(kept_running(name, watch.run, self._time), name=name)
            for name, watch in watches.items()
            if watch
        }
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def kept_running(name: str, work: Callable[[], Awaitable[None]], time: Time) -> None:
    """Run a task of the manager. A defect is logged, and the task begins again after a pause."""
    while True:
        try:
            return await work()
        except Exception:
            logger.exception("the background task %r failed, and begins again", name)
            await time.sleep(RETRY_SECONDS)


def _days(days: float) -> timedelta | None:
    return timedelta(days=days) if days else None
