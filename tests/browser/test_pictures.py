"""The pictures of the dashboard in the documentation, made with invented sessions.

`make pictures` stores them in `docs/images`. Otherwise the test only checks that they can be made.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from agent_session_manager.sql.care.sums import rebuild_sums
from tests.browser.conftest import LOAD_MS, Visit
from tests.browser.filled_sessions import append, create, says
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager

Open = Callable[..., Visit]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOWN = {
    "now-light.png",
    "sessions-dark.png",
    "search-light.png",
    "cost-light.png",
    "session-light.png",
    "session-dark.png",
    "phone-light.png",
}
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
AGENTS = ("reviewer", "fixer", "porter", "writer")
PROJECTS = ("/home/me/web-shop", "/home/me/parser", "/home/me/docs")
NAMES = (
    "fix-login", "port-the-parser", "review-checkout", "write-changelog", "flaky-upload-test",
    "faster-search", "update-tokens-page", "dead-links", "retry-payments", "split-the-router",
    "explain-the-cache", "typed-config", "search-index", "dark-mode", "release-notes",
)  # fmt: skip
DRAWN = (
    "() => { const all = [...document.querySelectorAll('canvas')];"
    " return all.length > 0 && all.every("
    "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
    ".data.some(value => value !== 0)) }"
)
"""True once every plot has a pixel drawn."""
CODE = """Found it: the session cookie was compared **before** it was trimmed.

```python
def is_valid(cookie: str) -> bool:
    return hmac.compare_digest(cookie.strip(), expected)
```

| test | before | after |
|---|---|---|
| `test_login` | failed | passes |
| `test_logout` | passes | passes |
"""


def conversation() -> list[dict[str, Any]]:
    def call(number: int, tool: str, given: dict[str, Any], output: Any, **end: Any) -> list[Any]:
        use = {"tool_name": tool, "tool_use_id": f"use-{number}"}
        return [
            {"event_type": "pre_tool", "tool_input": given, **use},
            {"event_type": "post_tool", "tool_output": output, **use, **end},
        ]

    edit = {
        "file_path": "/home/me/web-shop/auth.py",
        "old_string": "def is_valid(cookie):\n    return cookie == expected",
        "new_string": "def is_valid(cookie: str) -> bool:\n"
        "    return hmac.compare_digest(cookie.strip(), expected)",
    }
    failed = "FAILED tests/test_login.py::test_login - AssertionError: assert False"
    return [
        says("Fix the login test. Leave the logout test alone.", role="user"),
        {"event_type": "thinking", "content": [{"type": "thinking", "thinking": "Look first."}]},
        *call(1, "Bash", {"command": "pytest -q tests/test_login.py"}, "", error=failed),
        *call(
            2, "Grep", {"pattern": "is_valid", "path": "src"}, "auth.py:12:def is_valid(cookie):"
        ),
        *call(3, "Edit", edit, "The file was updated."),
        *call(
            4,
            "Bash",
            {"command": "pytest -q"},
            "\u001b[32m................................ [100%]\u001b[0m\n32 passed in 1.42s",
        ),
        says(CODE),
        {
            "event_type": "usage",
            "usage": {
                "input_tokens": 4210,
                "output_tokens": 1876,
                "cache_read_tokens": 61200,
                "cache_creation_tokens": 9100,
                "cost_microdollars": 84_300,
            },
        },
    ]


def fill(api: Api) -> None:
    """Create forty sessions in all states, three of them running."""
    chance = random.Random(7)
    for number in range(40):
        name = NAMES[number % len(NAMES)] + ("" if number < len(NAMES) else f"-{number}")
        agent, project = chance.choice(AGENTS), chance.choice(PROJECTS)
        create(api, f"s{number:02}", session_name=name, agent_name=agent, project_dir=project,
               executor="claude", host="laptop")  # fmt: skip
        spent = chance.randrange(2_000, 90_000)
        usage = {"input_tokens": spent, "output_tokens": spent // 4, "cost_microdollars": spent * 9}
        append(api, f"s{number:02}", says("Continue.", role="user"))
        append(api, f"s{number:02}", {"event_type": "usage", "usage": usage})
        reason = chance.choices(
            ("completed", "failed", "stopped", "timeout", "lost"), (20, 3, 2, 1, 1)
        )[0]
        error = {"failed": "no valid login: run claude, then /login"}.get(reason)
        end = {"event_type": "session_stop", "reason": reason, "error": error}
        append(api, f"s{number:02}", end)
    for number, name in enumerate(("port-the-lexer", "review-payments", "nightly-docs")):
        create(api, f"r{number}", session_name=name, agent_name=AGENTS[number], host="laptop",
               project_dir=PROJECTS[number], executor="claude")  # fmt: skip
        append(api, f"r{number}", *conversation()[:5])
    create(api, "login", session_name="fix-login-test", agent_name="fixer", executor="claude",
           project_dir=PROJECTS[0], host="laptop")  # fmt: skip
    create(api, "child", session_name="check-login", agent_name="reviewer", executor="claude",
           project_dir=PROJECTS[0], host="laptop", parent_session_id="login")  # fmt: skip
    append(api, "child", {"event_type": "session_stop", "reason": "budget"})
    append(api, "login", *conversation(), {"event_type": "session_stop", "exit_code": 0})


def spread_over_days(manager: RunningManager) -> None:
    """Spread the starts of the sessions over two weeks, in the database itself."""
    chance = random.Random(8)
    moments = ("created_at", "last_activity_at")
    with sqlite3.connect(manager.state_dir / "sessions.db") as database:
        for (number,) in database.execute(
            "SELECT number FROM sessions WHERE status = 'finished' AND session_id LIKE 's%'"
        ).fetchall():
            age = timedelta(days=13 * chance.random() ** 1.6)
            begin = int((datetime.now(UTC) - age).timestamp() * 1e6)
            took = chance.randrange(20, 900) * 1_000_000
            for moment in moments:
                database.execute(
                    f"UPDATE sessions SET {moment} = ? WHERE number = ?", (begin, number)
                )
            database.execute(
                "UPDATE runs SET started_at = ?, finished_at = ? WHERE session_number = ?",
                (begin, begin + took, number),
            )
        rebuild_sums(database)
    database.close()


def test_pictures_can_be_made(
    own: RunningManager,
    api: Api,
    visit: Open,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    fill(api)
    assert own.stop() == 0
    spread_over_days(own)
    own.restart()
    with Api(own) as api:
        wait_for_index(api)
    is_kept = request.config.getoption("--pictures")
    for scheme in ("light", "dark") if is_kept else ("light",):
        take_all(own, visit, scheme, tmp_path, is_kept=is_kept)


def take_all(
    own: RunningManager, visit: Open, scheme: str, elsewhere: Path, *, is_kept: bool
) -> None:
    """Take the pictures of one color scheme; keep those of the documentation if `is_kept`."""

    def take(page: Page | Locator, name: str) -> None:
        file = f"{name}-{scheme}.png"
        path = (IMAGES if is_kept and file in SHOWN else elsewhere) / file
        path.parent.mkdir(exist_ok=True)
        page.screenshot(path=path, animations="disabled")
        assert path.stat().st_size > 10_000

    opened = visit(own, viewport=DESKTOP, color_scheme=scheme)
    page = opened.enter()
    expect(page.get_by_test_id("now-row").first).to_be_visible()
    take(page, "now")
    opened.go("#/cost?span=30d")
    expect(page.get_by_role("rowheader", name=PROJECTS[0])).to_be_visible()
    page.wait_for_function(DRAWN, timeout=LOAD_MS)
    take(page, "cost")
    opened.go("#/search?q=login")
    expect(page.get_by_test_id("hit").nth(4)).to_be_visible()
    take(page, "search")
    opened.go("#/sessions")
    expect(page.get_by_test_id("session-row").first).to_be_visible()
    take(page, "sessions")
    opened.go("#/sessions/login")
    expect(page.locator("code span[class*=hljs]").first).to_be_visible()
    page.get_by_test_id("call-group").first.get_by_role("button").click()
    calls = page.get_by_test_id("call")
    calls.nth(2).get_by_role("button").first.click()
    expect(page.get_by_text("return cookie == expected")).to_be_visible()
    take(page, "session")
    narrow = visit(own, viewport=PHONE, color_scheme=scheme, device_scale_factor=2)
    phone = narrow.enter("#/sessions")
    expect(phone.get_by_test_id("session-row").first).to_be_visible()
    take(phone, "phone")
