"""A process of its own for the steps of the indexer, while there is much to index.

A Python process uses one processor at a time. So the steps of a long catch-up would slow down
commits, and commits would slow down the steps. The process starts after a step that read much, and
ends after it was idle for some time. A manager with little to index never starts it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from contextlib import suppress
from typing import Any

from sqlalchemy.engine import URL

from agent_session_manager.domain.errors import StoreUnavailableError
from agent_session_manager.sql.database.url import complete
from agent_session_manager.store.queries import Mark
from agent_session_manager.store.search import (
    Indexed,
    IndexPausedError,
    Narrowed,
    Search,
    SearchIndex,
    SearchPage,
)

logger = logging.getLogger(__name__)

_PROGRAM = "agent_session_manager.sql.search.index_program"
IDLE_SECONDS = 10.0
END_SECONDS = 10.0
"""Time for the process to end on its own; then it is killed."""


class IndexProcess:
    """A process that makes steps when it is asked to.

    It ends when it was idle for some time, or when this process does, even by a kill.
    """

    def __init__(self, url: str) -> None:
        """Start the process for the database at `url`, which can contain a password.

        Raises:
            OSError: it cannot be started.
        """
        self.has_ended = False
        self._has_answered = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal is for the manager alone
        )
        logger.info("indexing in a process of its own (process %d)", self._process.pid)
        self._send(json.dumps({"url": url, "idle_seconds": IDLE_SECONDS}))

    @property
    def pid(self) -> int:
        return self._process.pid

    def index_some(self) -> Indexed | None:
        """Make a step. None: the process has ended, because it was idle.

        Raises:
            IndexPausedError, StoreUnavailableError: as by the index itself, or the process failed.
            OSError: the program cannot run here.
        """
        line = self.ask()
        if not line.endswith(b"\n"):
            code = self.close()
            if code > 0 and not self._has_answered:
                raise ChildProcessError(f"its program ended with exit code {code}")
            if code:
                raise StoreUnavailableError(f"the process of the search index ended with {code}")
            return None
        self._has_answered = True
        answer: dict[str, Any] = json.loads(line)
        if "paused" in answer:
            raise IndexPausedError(answer["paused"])
        if "failed" in answer:
            raise StoreUnavailableError(answer["failed"])
        return Indexed(**answer, is_apart=True)

    def ask(self) -> bytes:
        """Ask for a step; return the line of its answer, which is empty after the end."""
        self._send("")
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> int:
        """End the process; return its exit code."""
        self.has_ended = True
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):  # a line that it did not read before its end
            self._process.stdin.close()
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process.stdout.close()
        return code

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended: reading its answer tells how
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()


class SharedIndex:
    """An index that is written by this process, or by one of its own while there is much to do."""

    def __init__(self, index: SearchIndex, url: URL) -> None:
        self._index = index
        self._url = complete(url)
        self.process: IndexProcess | None = None
        self._may_start = True

    def find(self, search: Search, *, limit: int, after: Mark | None = None) -> SearchPage:
        return self._index.find(search, limit=limit, after=after)

    def narrow(self, text: str, limit: int) -> Narrowed | None:
        return self._index.narrow(text, limit)

    def index_some(self) -> Indexed:
        indexed = self._index_apart()
        if indexed is not None:
            return indexed
        indexed = self._index.index_some()
        if indexed.is_much and self._may_start:
            self._index.close()  # there is one writer at a time
            self._start()
        return indexed

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
        self.process = None
        self._index.close()

    def _index_apart(self) -> Indexed | None:
        """Make a step in the process; None without a process."""
        process = self.process
        if process is None:
            return None
        try:
            return process.index_some()
        except OSError as exc:
            self._do_without(exc)
            return None
        finally:
            if process.has_ended:
                self.process = None

    def _start(self) -> None:
        try:
            self.process = IndexProcess(self._url)
        except OSError as exc:
            self._do_without(exc)

    def _do_without(self, failure: OSError) -> None:
        self._may_start = False
        logger.warning("the search index gets no process of its own: %s", failure)
