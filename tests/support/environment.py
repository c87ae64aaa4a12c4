"""The environment of processes that tests start; it has no variable of the person's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
"""Directory of the console scripts under test."""

PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def is_ours_or_a_proxy(name: str) -> bool:
    return name.startswith("AGENT_ORCHESTRATOR_") or name.lower() in PROXIES


def scrubbed_environment(home: Path) -> dict[str, str]:
    """Return only PATH (our scripts first), a separate home directory, and a language."""
    return {
        "PATH": os.pathsep.join([str(BIN), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "LANG": "C.UTF-8",
    }
