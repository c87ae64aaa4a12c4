"""`agent-session-manager` on another clock: `shifted_manager.py FILE serve …`.

FILE holds by how many seconds the clock is ahead of the true one; it is looked at every time.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_session_manager import cli
from agent_session_manager.api import server


def main() -> None:
    shift = Path(sys.argv.pop(1))

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(shift.read_text()))

    server.now = now
    cli.main(prog_name="agent-session-manager")


if __name__ == "__main__":
    main()
