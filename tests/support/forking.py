"""Processes that begin where all is imported already, so that many can be started and killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path

PRELOADED = ["tests.support.writing_outbox", "tests.support.starting"]


def forking() -> ForkServerContext:
    """The one server of this test run that such processes are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def write_to(log: Path) -> None:
    """Say everything to the end of a log from now on, a line at a time."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1)


def live_in(environment: Mapping[str, str]) -> None:
    """Take another environment than the server's: that of the test that started it."""
    os.environ.clear()
    os.environ.update(environment)
