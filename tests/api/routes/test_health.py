from __future__ import annotations

import json
import urllib.request

from agent_session_manager import __version__
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS


def test_health_needs_no_token_and_names_the_service(manager: RunningManager) -> None:
    with urllib.request.urlopen(f"{manager.url}/health", timeout=WATCHDOG_SECONDS) as response:
        answer = json.load(response)
    assert answer.pop("search_index") in ("current", "behind")
    assert answer == {
        "service": "agent-session-manager",
        "version": __version__,
        "instance": manager.announcement.instance,
    }
