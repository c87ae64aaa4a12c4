"""Notices between managers on one PostgreSQL database: the ids of changed sessions.

The transaction of a change sends the notice, so PostgreSQL delivers it only after the commit. After
a lost connection, notices may be missing. The manager then assumes that any session has changed.
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
"""Sent instead of ids: any session may have changed."""
MAX_PAYLOAD_BYTES = 7999
"""The limit of PostgreSQL for the payload of a notification."""
_LOOK_SECONDS = 0.5
_RETRY_SECONDS = 1.0


class Notices:
    """Sends notices, and from `start` to `stop` receives notices in a separate thread."""

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
                logger.warning("cannot listen for notices: %s", exc)
            except self._engine.dialect.loaded_dbapi.Error as exc:
                logger.warning("lost the connection for notices: %s", exc)
            except Exception:  # a defect must not end the thread
                logger.exception("notices could not be received")
            self._stopping.wait(_RETRY_SECONDS)

    def _hear(self, connection: Connection, notice: Notice) -> None:
        driver: Any = connection.connection.driver_connection
        connection.detach()  # it listens until it is closed, so it must not return to the pool
        driver.autocommit = True
        driver.execute(f"LISTEN {_CHANNEL}")
        notice(None)  # earlier notices were not received
        while not self._stopping.is_set():
            for heard in driver.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                notice(None if heard.payload == ANY else heard.payload.split(","))
