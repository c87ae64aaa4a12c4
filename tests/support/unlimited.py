"""The manager without its limits and deadlines: every test of the limits must fail with it.

As a program it accepts the arguments of `agent-session-manager`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from starlette.types import ASGIApp

from agent_session_manager.api import app
from agent_session_manager.api.http import body
from agent_session_manager.cli.main import main
from agent_session_manager.transport import connection, deadlines

PROGRAM = (sys.executable, str(Path(__file__)))


def without_limits(served: ASGIApp) -> ASGIApp:
    return served


if __name__ == "__main__":
    vars(app)["Admission"] = without_limits
    vars(body).update(MAX_DEPTH=10**9, MAX_PARTS=10**9)
    vars(deadlines).update(STALLED_SECONDS=10**9)
    connection.Protocol.head_seconds = connection.Protocol.body_seconds = 10**9
    main()
