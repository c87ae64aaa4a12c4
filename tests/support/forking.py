"""Processes that begin where all is imported already, so that many can be started and killed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext

PRELOADED = ["tests.support.writing_outbox", "tests.support.starting"]


def forking() -> ForkServerContext:
    """The one server of this test run that such processes are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def live_in(environment: Mapping[str, str]) -> None:
    """Take another environment than the server's: that of the test that started it."""
    os.environ.clear()
    os.environ.update(environment)
