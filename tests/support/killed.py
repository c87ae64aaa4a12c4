"""Work in a separate process that a test kills; it is forked with all imports done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agent_session_manager.machine.clock import now
from agent_session_manager.sql.care.exporting_file import written_whole
from agent_session_manager.sql.care.restore import restore
from agent_session_manager.sql.migrations import run
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.sql.transfer.exporter import export
from agent_session_manager.sql.transfer.importer import import_export
from tests.support.forking import forking
from tests.support.waiting import WATCHDOG_SECONDS

IMPORTED = (run,)
"""Imported here because the store imports it only to migrate: a kill must not hit an import."""


class Worker:
    """A process that starts its work at once and waits when the work is done."""

    def __init__(self, work: Callable[..., object], *arguments: Any) -> None:
        self._told, tells = Pipe()
        self._process = forking().Process(target=_do, args=(tells, work, arguments), daemon=True)
        self._process.start()
        tells.close()
        self._hear("ready")

    def wait_until_done(self) -> None:
        self._hear("done")

    def kill(self) -> None:
        self._process.kill()
        self._process.join(WATCHDOG_SECONDS)
        self._told.close()

    def _hear(self, word: str) -> None:
        assert self._told.poll(WATCHDOG_SECONDS), f"it is not {word}"
        assert self._told.recv() == word


def _do(tells: Connection, work: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    tells.send("ready")
    kept = work(*arguments)
    tells.send("done")
    tells.recv()
    del kept


def open_one(url: str) -> SqlStore:
    return open_store(url, clock=now)


def export_all(url: str, file: Path) -> None:
    with written_whole(file) as to:
        export(url, to, now=1)


def import_all(url: str, file: Path) -> None:
    with file.open("rb") as lines:
        import_export(url, lines)


def restore_now(file: Path, database: Path) -> None:
    restore(file, database, now=datetime.now(UTC))
