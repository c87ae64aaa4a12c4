"""A thread that sends in the order of reading, so that reading does not wait for the manager."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Job = Callable[[], None]

MAX_WAITING = 4
"""Jobs that wait; each has about two megabytes of events."""


class Outlet:
    """Runs jobs one after the other. After one has failed, the others are dropped."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(MAX_WAITING)
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
        self._jobs.put(None)
        self._thread.join()
        if error is None:
            self.check()

    def put(self, job: Job) -> None:
        """Run a job later; wait if many are waiting.

        Raises:
            BaseException: the error of an earlier job.
        """
        self.check()
        self._jobs.put(job)

    def check(self) -> None:
        """Raise the error of a failed job."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._failure is None:
                try:
                    job()
                except BaseException as exc:  # it is raised again in the thread that reads
                    self._failure = exc
