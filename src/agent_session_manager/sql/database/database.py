"""An open database: the one connection that writes, and a few that read."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL

from agent_session_manager.sql.database.change_notifications import ANY, Notices
from agent_session_manager.sql.database.url import file_of, shown
from agent_session_manager.store.protocol import Notice


@dataclass
class Database:
    """Two engines on one database, open from construction until `close`."""

    url: URL
    writing: Engine
    reading: Engine
    _closing: ExitStack = field(default_factory=ExitStack)
    notices: Notices | None = None
    """Notices to other managers; None if no other manager can serve this database."""

    @property
    def shown_url(self) -> str:
        """The URL of the database without a password; see `shown`."""
        return shown(self.url)

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None on PostgreSQL."""
        return file_of(self.url) if self.url.get_backend_name() == "sqlite" else None

    def notify(self, connection: Connection, session_ids: Collection[str]) -> None:
        """Notify other managers, when this transaction commits, of the sessions that it changed."""
        if self.notices is not None and session_ids:
            self.notices.send(connection, session_ids)

    def notify_of_everything(self, connection: Connection) -> None:
        """Notify other managers, when this transaction commits, that any session may differ."""
        if self.notices is not None:
            self.notices.send(connection, {ANY})

    def watch(self, notice: Notice) -> None:
        """Call `notice` from a thread with session ids that other managers changed; None: any."""
        if self.notices is not None:
            self.notices.start(notice)
            self._closing.callback(self.notices.stop)

    def close(self) -> None:
        """Close the connections and release the file. The last connection checkpoints the WAL."""
        self.reading.dispose()
        self.writing.dispose()
        self._closing.close()


class RawSql(Protocol):
    def exec_driver_sql(self, statement: str) -> Any: ...
