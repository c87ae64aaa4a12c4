"""The environment of the processes that tests start: nothing of the person's own is in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
"""Where the console scripts of the environment under test are."""

PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


def is_ours_or_a_proxy(name: str) -> bool:
    return name.startswith("AGENT_ORCHESTRATOR_") or name.lower() in PROXIES


def scrubbed_environment(home: Path) -> dict[str, str]:
    """PATH with our scripts first, a home of its own, a language, and no more."""
    return {
        "PATH": os.pathsep.join([str(BIN), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "LANG": "C.UTF-8",
    }
