"""Threads that send while another thread reads, each session in the order of reading."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

Job = Callable[[], object]

LANES = 3
"""Jobs that run at the same time. The manager stores the requests that wait in one transaction."""
MAX_WAITING_BYTES = 8 * 1024 * 1024


class Outlet:
    """Runs jobs in a few lanes; those with the same key run in one lane, one after the other.

    After a job has failed, the others are dropped.
    """

    def __init__(self) -> None:
        self._lanes: list[deque[tuple[Job | None, int]]] = [deque() for _ in range(LANES)]
        self.waiting_bytes = 0
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._open_lanes = LANES
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name="import sender", daemon=True)
            for lane in self._lanes
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the jobs; if the block has failed, only for those that run.

        An interrupt of this wait drops the other jobs, too. A second one ends the wait.
        """
        try:
            if error is not None:
                self._failure = self._failure or error
            self._join()
        except KeyboardInterrupt as exc:
            self._failure = self._failure or exc
            self._join()  # what the running jobs have sent is counted
            raise
        if error is None:
            self.check()

    def _join(self) -> None:
        for lane in self._lanes:
            self._add(lane, None, 0)
        # Not `Thread.join`: in Python 3.11 an interrupted one takes a running thread as ended.
        with self._changed:
            self._changed.wait_for(lambda: not self._open_lanes)

    def put(self, job: Job, *, key: str, size: int) -> None:
        """Run a job later, which holds `size` bytes; wait while too many bytes are waiting.

        Raises:
            BaseException: the error of an earlier job.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._has_room_for(size) or self._failure is not None)
        self.check()
        self._add(self._lanes[hash(key) % LANES], job, size)

    def check(self) -> None:
        """Raise the error of a failed job."""
        if self._failure is not None:
            raise self._failure

    def _has_room_for(self, size: int) -> bool:
        return not self.waiting_bytes or self.waiting_bytes + size <= MAX_WAITING_BYTES

    def _add(self, lane: deque[tuple[Job | None, int]], job: Job | None, size: int) -> None:
        with self._changed:
            lane.append((job, size))
            self.waiting_bytes += size
            self._changed.notify_all()

    def _next(self, lane: deque[tuple[Job | None, int]]) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: lane)
            job, size = lane.popleft()
            self.waiting_bytes -= size
            self._changed.notify_all()
            return job

    def _run(self, lane: deque[tuple[Job | None, int]]) -> None:
        while (job := self._next(lane)) is not None:
            if self._failure is None:
                try:
                    job()
                except BaseException as exc:  # it is raised again in the thread that reads
                    self._failure = exc
                    with self._changed:
                        self._changed.notify_all()
            del job  # it holds its bytes
        with self._changed:
            self._open_lanes -= 1
            self._changed.notify_all()
