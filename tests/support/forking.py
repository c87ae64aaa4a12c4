"""Processes forked with all imports done, so that tests can start and kill many of them."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path

PRELOADED = [
    *("tests.support.writing_outbox", "tests.support.starting", "tests.support.warmed"),
    *("tests.support.forked_command", "tests.support.forked_manager", "tests.support.manager_time"),
    "tests.support.frozen",
]


def forking() -> ForkServerContext:
    """Return the fork server that this test run shares."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def write_to(log: Path) -> None:
    """Append stdout and stderr to a log from now on, line by line."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    sys.stdout = sys.stderr = os.fdopen(descriptor, "w", buffering=1)


def live_in(environment: Mapping[str, str]) -> None:
    """Replace the fork server's environment by that of the test."""
    os.environ.clear()
    os.environ.update(environment)
