"""A thread that sends in the order of reading, so that reading does not wait for the manager."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

Job = Callable[[], None]

MAX_WAITING_BYTES = 8 * 1024 * 1024


class Outlet:
    """Runs jobs one after the other. After one has failed, the others are dropped."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Job | None, int]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="import sender", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the jobs; if the block has failed, only for the job that runs."""
        if error is not None:
            self._failure = self._failure or error
        self._add(None, 0)
        self._thread.join()
        if error is None:
            self.check()

    def put(self, job: Job, size: int) -> None:
        """Run a job later, which holds `size` bytes; wait while too many bytes are waiting.

        Raises:
            BaseException: the error of an earlier job.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_room_for(size) or self._failure is not None)
        self.check()
        self._add(job, size)

    def check(self) -> None:
        """Raise the error of a failed job."""
        if self._failure is not None:
            raise self._failure

    def _has_room_for(self, size: int) -> bool:
        return not self._jobs or self._waiting_bytes + size <= MAX_WAITING_BYTES

    def _add(self, job: Job | None, size: int) -> None:
        with self._changed:
            self._jobs.append((job, size))
            self._waiting_bytes += size
            self._changed.notify_all()

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs)
            job, size = self._jobs.popleft()
            self._waiting_bytes -= size
            self._changed.notify_all()
            return job

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if self._failure is None:
                try:
                    job()
                except BaseException as exc:  # it is raised again in the thread that reads
                    self._failure = exc
            del job  # it holds its bytes
