"""Notices between managers on one PostgreSQL: which sessions somebody has changed.

A notice is sent by the transaction that makes the change, so nobody hears of what was not
committed, and all hear of it at once. One that was missed while the database was away is made up
for by saying that anything may have changed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from agent_session_manager.store.protocol import Notice

logger = logging.getLogger(__name__)

_CHANNEL = "agent_session_manager"
ANY = "*"
"""Sent in the place of an id: anything may have changed."""
MAX_PAYLOAD_BYTES = 7999
"""PostgreSQL takes no longer ones."""
_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 1.0


class Notices:
    """Sends notices, and from `start` to `stop` hears them in a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, connection: Connection, session_ids: Collection[str]) -> None:
        text = ",".join(sorted(session_ids))
        payload = text if len(text) <= MAX_PAYLOAD_BYTES else ANY
        connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (_CHANNEL, payload))

    def start(self, notice: Notice) -> None:
        self._thread = threading.Thread(target=self._run, args=(notice,), name="notices")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._engine.dispose()

    def _run(self, notice: Notice) -> None:
        while not self._stopping.is_set():
            try:
                with self._engine.connect() as connection:
                    self._hear(connection, notice)
            except (SQLAlchemyError, OSError) as exc:
                logger.warning("notices cannot be heard: %s", exc)
            except self._engine.dialect.loaded_dbapi.Error as exc:
                logger.warning("notices cannot be heard any more: %s", exc)
            self._stopping.wait(_RETRY_SECONDS)

    def _hear(self, connection: Connection, notice: Notice) -> None:
        driver: Any = connection.connection.driver_connection
        connection.detach()  # it listens for as long as it lives, so it goes back into no pool
        driver.autocommit = True
        driver.execute(f"LISTEN {_CHANNEL}")
        notice(None)  # of what came before, nothing was heard
        while not self._stopping.is_set():
            for heard in driver.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                notice(None if heard.payload == ANY else heard.payload.split(","))
