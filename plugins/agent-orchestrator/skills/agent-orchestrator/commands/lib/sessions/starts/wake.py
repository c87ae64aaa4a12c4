"""Program that waits for the notices for a session, and opens the next run with them.

A supervisor becomes this program after a run that ended well. It ends if nothing more can come, if
the notices are held, or if another process has opened the next run.
"""

from __future__ import annotations

from ...machine import fast_start as fast_start

# Before anything imports httpx:
# isort: split
import logging
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ...client.connection.connect import client_of
from ...client.errors import RUN_NOT_AUTOMATIC, may_pass
from ...client.manager import ManagerClient
from ...client.patient_client import PATIENCE_SECONDS
from ...machine.clock import Backoff
from ...machine.environment import state_dir, take_up
from ...machine.own_memory import hide_memory
from ...runs.assignment import Assignment
from ...runs.registry import registered
from ...runs.supervision.notice_wait import has_prospects, was_asked_to_stop
from ...runs.supervision.stop_signals import STOP_SIGNALS, hold_stops, release_stops
from ...session_client import SessionClientError
from ...shared.inherited_state import begin
from ...shared.log import write_log_to
from ...shared.private_files import make_state_directory
from ..errors import SessionError, SessionUsageError

logger = logging.getLogger(__name__)

POLL_SECONDS = 20.0
POLL_TIMEOUT_SECONDS = POLL_SECONDS + 10.0
MAX_PAUSE_SECONDS = 10.0


class Wake:
    """Waits for notices after one run of a session, which was the newest."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._backoff = Backoff(MAX_PAUSE_SECONDS)

    def run(self) -> None:
        """Wait until the next run is open, by our hand or another, or is not to be opened."""
        try:
            self._wait()
        finally:  # a stop too
            self._revoke_tokens()

    def _wait(self) -> None:
        a = self._assignment
        with client_of(
            a.url, run_token=a.run_token, timeout_seconds=POLL_TIMEOUT_SECONDS
        ) as manager:
            while True:
                try:
                    outlook = manager.get_outlook(a.session_id, a.run, wait_seconds=POLL_SECONDS)
                    is_over = not has_prospects(outlook, a.run)
                    if is_over or (outlook["due"] and self._go_on(manager)):
                        break
                    self._backoff.succeed()
                except SessionUsageError as exc:
                    logger.warning("the session cannot be continued here: %s", exc)
                    break
                except SessionClientError as exc:
                    # Not automatic: the next outlook shows why.
                    if exc.code != RUN_NOT_AUTOMATIC and not may_pass(exc):
                        logger.info("no more notices: %s", exc)
                        break
                    logger.info("cannot wait for notices: %s", exc)
                    self._backoff.fail()
                # Also after an answer without news: a manager that stops answers at once.
                time.sleep(self._backoff.pause_seconds())

    def _revoke_tokens(self) -> None:
        a = self._assignment
        with (
            _signals_wait(),
            suppress(SessionClientError),
            client_of(a.url, run_token=a.run_token) as manager,
        ):
            manager.revoke_run_tokens(a.session_id, a.run)

    def _go_on(self, manager: ManagerClient) -> bool:
        """Open the next run, unless a stop was requested; return whether to end."""
        return was_asked_to_stop(manager, self._assignment) or self._open_next(manager)

    def _open_next(self, manager: ManagerClient) -> bool:
        """Open the next run as `ao-resume` does, with the notices as its prompt.

        Returns whether it is open. A stop signal waits until it is known.

        Raises:
            SessionUsageError: it cannot be opened here, now or later.
            SessionClientError: the manager has refused it, or does not answer.
        """
        # Late: most of the time this program only waits.
        from .next_run import find_continuation, find_process
        from .start import NewRun, start_next_run

        a = self._assignment
        session = manager.get_session(a.session_id)
        try:
            take_up(a.environment, a.control_token)
            with _signals_wait(), client_of(a.url, timeout_seconds=PATIENCE_SECONDS) as own:
                new = NewRun(
                    prompt="",
                    spec=a.spec,
                    continues=find_continuation(own, session, a.spec.executor, is_fork=False),
                    timeout_seconds=a.timeout_seconds,
                    is_automatic=True,
                )
                if find_process(session, a.spec.executor, new.continues):
                    logger.info("a person has the session open: its notices wait")
                    self._backoff.fail()
                    return False
                start_next_run(own, session, new, takeover=False)
        except SessionUsageError:
            raise
        except (SessionError, OSError, ValueError) as exc:
            logger.warning("the next run was not opened: %s", exc)
            self._backoff.fail()
            return False
        return True


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let the stop signals wait until the end of the block."""
    hold_stops()
    try:
        yield
    finally:
        release_stops()


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> None:
    """Wait for the notices of the run that is described on stdin."""
    for number in STOP_SIGNALS:
        signal.signal(number, _end)
    hide_memory()
    assignment = Assignment.from_json(sys.stdin.read())
    state = state_dir()
    write_log_to(make_state_directory(state) / "supervisors.log")
    with registered(assignment.registration(uuid.uuid4().hex, waits=True), state):
        begin()  # from here on a signal ends this process
        Wake(assignment).run()


if __name__ == "__main__":
    main()
