"""The manager without its guard: every test of the guard must fail with it.

As a program it accepts the arguments of `agent-session-manager`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from agent_session_manager import serve
from agent_session_manager.api.fast_append import AppendsFirst
from agent_session_manager.api.routes.events import append_events
from agent_session_manager.cli.main import main

PROGRAM = (sys.executable, str(Path(__file__)))


def without_guard(app: Any, **_rules: object) -> ASGIApp:
    return AppendsFirst(app, append_events)


if __name__ == "__main__":
    vars(serve)["guarded"] = without_guard
    main()
