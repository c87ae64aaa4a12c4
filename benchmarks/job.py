"""Jobs of the programs that measure: JSON on stdin, and one figure on stdout."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

J = TypeVar("J")


def run_job(kind: type[J], work: Callable[[J], Coroutine[Any, Any, float]]) -> None:
    """Read the fields of a job, do its work in an event loop, and write the figure."""
    job = kind(**json.loads(sys.stdin.read()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(work(job))))
