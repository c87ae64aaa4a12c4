"""The manager with deadlines of half a second, for tests in which they pass.

As a program it accepts the arguments of `agent-session-manager`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agent_session_manager.cli.main import main
from agent_session_manager.transport import connection, deadlines

PROGRAM = (sys.executable, str(Path(__file__)))

if __name__ == "__main__":
    vars(deadlines).update(STALLED_SECONDS=0.5)
    connection.Protocol.head_seconds = connection.Protocol.body_seconds = 0.5
    main()
