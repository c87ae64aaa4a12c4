"""The supervisor: a process that owns one run until the manager has its whole record.

It runs in its own POSIX session, so it survives the terminal and the command that started it. The
assignment comes on stdin. This program takes over the run: it registers the run and opens the
outbox, so that no event of the run can be lost. Then it writes one line to stdout. The command
waits for that line, so what only the supervision needs is imported after it.
"""

from __future__ import annotations

from ...machine import fast_start as fast_start

# Before anything imports httpx:
# isort: split
import contextlib
import logging
import os
import sys
import uuid
from pathlib import Path

from ...machine.environment import outbox_dir, state_dir
from ...machine.own_memory import hide_memory
from ...outbox.outbox import Outbox, OutboxError, Run
from ...shared.error_text import why
from ...shared.inherited_state import begin
from ...shared.log import write_log_to
from ...shared.private_files import make_state_directory
from ..assignment import READY, Assignment
from ..registry import registered
from .stop_signals import hold_stops

logger = logging.getLogger(__name__)


def main() -> None:
    """Supervise the run that is described on stdin."""
    begin()
    hide_memory()
    text = sys.stdin.read()
    if not text:  # the command has opened no run
        return
    # The command that started us has the user's tokens in its environment. An agent can read the
    # environment of its ancestors, so the command must not be one of them.
    if os.fork():
        os._exit(0)
    state = state_dir()
    try:
        write_log_to(make_state_directory(state) / "supervisors.log")
        assignment = Assignment.from_json(text)
        logger.info("run %d of session %s", assignment.run, assignment.session_id)
        _own(assignment, state)
    except (OutboxError, OSError) as exc:
        # Not only to the log: on a full disk the log is full too.
        sys.stdout.write(f"{why(exc)}\n")
        sys.stdout.flush()
        logger.exception("the supervisor ended")
        sys.exit(1)
    except Exception:  # the end of the program: only the log gets the error
        logger.exception("a defect in the supervisor")
        sys.exit(1)


def _own(assignment: Assignment, state: Path) -> None:
    """Take over the run, tell the command, and supervise the run to its end."""
    a = assignment
    marker = uuid.uuid4().hex
    path = outbox_dir(state) / f"{a.session_id}.{a.run}.db"
    run = Run(session_id=a.session_id, run=a.run, url=a.url, cursor=a.cursor)
    hold_stops()  # until the supervision can act on them
    with registered(a.registration(marker), state) as entry:
        outbox = Outbox(path, run)
        _say_ready()
        from .one_run import supervise  # late: the command need not wait for it

        outcome = supervise(a, state, marker=marker, outbox=outbox, entry=entry)
    logger.info("run %d of session %s: %s", a.run, a.session_id, outcome.reason)


def _say_ready() -> None:
    """Report to the command, and release its pipe."""
    with contextlib.suppress(BrokenPipeError):  # the command was killed; the run continues
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)


if __name__ == "__main__":
    main()
