"""The modules of the manager that a request passes, as a profiler of its threads sees them."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import agent_session_manager

HOUSE = f"{Path(agent_session_manager.__file__).parent}/"


def trace_calls(written: Path) -> None:
    """Let this process write its way between two SIGUSR1, a module in each line.

    These are the modules of called functions, and those to which functions return.
    """
    passed: list[str] = []
    is_tracing = False

    def note(frame: FrameType, event: str, _: Any) -> None:
        reached = {"call": frame, "return": frame.f_back}.get(event)
        if is_tracing and reached and reached.f_code.co_filename.startswith(HOUSE):
            passed.append(reached.f_code.co_filename.removeprefix(HOUSE))

    def turn(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_tracing
        is_tracing = not is_tracing
        if is_tracing:
            written.with_suffix(".begun").touch()
            return
        unfinished = written.with_suffix(".unfinished")
        unfinished.write_text("\n".join(passed))
        unfinished.rename(written)

    signal.signal(signal.SIGUSR1, turn)
    threading.setprofile(note)
    sys.setprofile(note)
