"""The sessions on the pictures of the documentation: two weeks of work in three projects."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agent_session_manager.sql.care.sums import rebuild_sums
from tests.browser.filled_sessions import append, create, says
from tests.store.promises.events import question
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager

SHOP, PARSER, DOCS = "/home/me/web-shop", "/home/me/parser", "/home/me/docs"
PROJECTS = (SHOP, PARSER, DOCS)
_CODE = """Found it: the session cookie was compared **before** it was trimmed.

```python
def is_valid(cookie: str) -> bool:
    return hmac.compare_digest(cookie.strip(), expected)
```

| test | before | after |
|---|---|---|
| `test_login` | failed | passes |
| `test_logout` | passes | passes |

The login test passes, and the logout test is unchanged."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A session that has ended, or, without an answer and an end, still runs."""

    name: str
    project: str
    agent: str
    prompt: str
    answer: str = ""
    reason: str = "completed"
    error: str | None = None
    denied: str | None = None
    cents: int = 12
    hours_ago: float = 1
    minutes: float = 4

    @property
    def session_id(self) -> str:
        return f"s-{self.name}"

    @property
    def is_open(self) -> bool:
        return not self.answer and self.error is None and self.reason == "completed"


NEW = (
    Work(name="port-lexer", project=PARSER, agent="porter", prompt="Port the lexer to Rust.",
         cents=29),
    Work(name="nightly-links", project=DOCS, agent="writer", prompt="Check all links of the guide.",
         cents=3),
    Work(name="tidy-styles", project=SHOP, agent="fixer",
         prompt="Merge the two style sheets of the checkout.",
         answer="I could not edit styles/legacy.css; all else is merged.", denied="Edit",
         cents=18, hours_ago=0.4),
    Work(name="retry-payments", project=SHOP, agent="fixer",
         prompt="Retry a payment only if the first request did not arrive.",
         error="no valid login: run claude, then /login", reason="failed", cents=0, hours_ago=0.6),
    Work(name="split-router", project=SHOP, agent="reviewer",
         prompt="How would you split the router?",
         answer="Three modules, one for each area. Shall I begin with the checkout?", cents=9,
         hours_ago=0.9),
    Work(name="flaky-upload", project=SHOP, agent="fixer", prompt="Find why the upload test fails.",
         answer="A lock was missing; the test passed 500 times in a row.", cents=41,
         hours_ago=1.3, minutes=12),
    Work(name="changelog", project=DOCS, agent="writer", prompt="Write the changelog of 2.4.",
         answer="The changelog of 2.4 has 14 entries.", cents=7, hours_ago=2.1, minutes=2),
)  # fmt: skip
"""What a person has not seen yet."""
SEEN = tuple(
    Work(name=name, project=project, agent=agent, prompt=prompt, answer=answer, cents=cents,
         hours_ago=5 + 12.5 * number, minutes=1.5 + 37 * number % 19, **more)
    for number, (name, project, agent, prompt, answer, cents, more) in enumerate((
        ("faster-search", SHOP, "porter", "Make the product search faster.",
         "A search takes 40 ms now; it took 900 ms.", 88, {}),
        ("dead-links", DOCS, "writer", "Fix the dead links.", "Nine links were dead.", 5, {}),
        ("typed-config", PARSER, "porter", "Give the settings types.",
         "All 31 settings have types.", 52, {}),
        ("review-checkout", SHOP, "reviewer", "Review the checkout.",
         "Two findings, one of them serious: see the list.", 23, {}),
        ("explain-cache", SHOP, "writer", "Explain the cache to a newcomer.",
         "The page is docs/cache.md.", 11, {}),
        ("port-parser", PARSER, "porter", "Port the parser to Rust.", "", 97,
         {"reason": "budget", "error": "the budget of $1.00 is used up"}),
        ("dark-mode", SHOP, "fixer", "Add a dark mode.", "Dark mode follows the system.", 64, {}),
        ("index-notes", DOCS, "writer", "Build an index of the notes.",
         "The index has 212 terms.", 16, {}),
        ("fuzz-lexer", PARSER, "reviewer", "Fuzz the lexer for an hour.", "", 31,
         {"reason": "stopped", "error": "stopped on request"}),
        ("tokens-page", SHOP, "fixer", "Update the page of design tokens.",
         "All 48 tokens are on the page.", 27, {}),
        ("rename-fields", SHOP, "porter", "Rename user_id to account_id.",
         "Renamed in 63 files; all tests pass.", 58, {}),
        ("grammar-tests", PARSER, "reviewer", "Write tests for the grammar.",
         "The grammar has 140 tests.", 45, {}),
        ("release-notes", DOCS, "writer", "Write the release notes.",
         "The notes are in docs/2.3.md.", 8, {}),
        ("cut-startup", PARSER, "fixer", "Cut the time to start.",
         "It starts in 0.2 s; the imports were the cause.", 39, {}),
    ))
)  # fmt: skip


_ASKING = Work(name="clean-data", project=SHOP, agent="fixer", prompt="Delete old test data.",
               hours_ago=0.1)  # fmt: skip
_LOGIN = Work(name="fix-login", project=SHOP, agent="fixer", hours_ago=0.2, minutes=9, cents=8,
              prompt="Fix the login test. Leave the logout test alone.")  # fmt: skip
_CHILD = Work(name="check-login", project=SHOP, agent="reviewer", prompt="Check the change.",
              hours_ago=0.15, minutes=2, cents=4)  # fmt: skip
ALL = (_ASKING, _LOGIN, _CHILD, *NEW, *SEEN)
"""All sessions; that of the session's page is `fix-login`, which has started `check-login`."""


def fill_two_weeks(manager: RunningManager, api: Api) -> None:
    """Create all sessions, at times of two weeks, and restart the manager with its index."""
    _fill(api)
    assert manager.stop() == 0
    _spread(manager)
    manager.restart()
    with Api(manager) as again:
        wait_for_index(again)


def _fill(api: Api) -> None:
    for work in (*reversed(SEEN), *reversed(NEW)):
        _begin(api, work)
        if work.name == "port-lexer":
            append(api, work.session_id, *_calls("cargo test lexer", "src/lexer.rs"))
        if work.denied:
            denied = {"event_type": "permission_denied", "tool_name": work.denied}
            append(api, work.session_id, {**denied, "tool_use_id": "t1"})
        if work.answer:
            append(api, work.session_id, says(work.answer))
        if not work.is_open:
            end = {"event_type": "session_stop", "reason": work.reason, "error": work.error}
            append(api, work.session_id, end)
    for work in SEEN:
        assert api.patch(f"/sessions/{work.session_id}", {"seen_run": 1}).status == 200
    _begin(api, _LOGIN)
    _begin(api, _CHILD, parent_session_id=_LOGIN.session_id)
    _begin(api, _ASKING)
    done = {"event_type": "session_stop", "exit_code": 0}
    append(api, _CHILD.session_id, says("No findings."), done)
    append(api, _LOGIN.session_id, *_conversation(), done)
    asked = question(title="Run `rm -r tests/data/2024`", tool_name="Bash")
    append(api, _ASKING.session_id, asked)


def _spread(manager: RunningManager) -> None:
    """Give the sessions their times of days, in the database itself."""
    now = datetime.now(UTC)
    with sqlite3.connect(manager.state_dir / "sessions.db") as database:
        for work in ALL:
            begin = int((now - timedelta(hours=work.hours_ago)).timestamp() * 1e6)
            end = begin + int(work.minutes * 60e6)
            row = (begin, end, work.session_id)
            database.execute(
                "UPDATE sessions SET created_at = ?, last_activity_at = ? WHERE session_id = ?", row
            )
            of_session = "session_number = (SELECT number FROM sessions WHERE session_id = ?)"
            moments = (
                "started_at = ?, finished_at = CASE WHEN finished_at IS NULL THEN NULL ELSE ? END"
            )
            database.execute(f"UPDATE runs SET {moments} WHERE {of_session}", row)
        rebuild_sums(database)
    database.close()


def _begin(api: Api, work: Work, **fields: Any) -> None:
    create(api, work.session_id, session_name=work.name, agent_name=work.agent, executor="claude",
           project_dir=work.project, host="laptop", **fields)  # fmt: skip
    spent = work.cents * 1_400
    usage = {"input_tokens": spent, "output_tokens": spent // 5, "cache_read_tokens": spent * 8,
             "cost_microdollars": work.cents * 10_000}  # fmt: skip
    used = {"event_type": "usage", "request_id": "r1", "model": "claude-opus-5-5", "usage": usage}
    append(api, work.session_id, says(work.prompt, role="user"), *([used] if work.cents else []))


def _call(number: int, tool: str, given: dict[str, Any], output: str = "", **end: Any) -> Any:
    use = {"tool_name": tool, "tool_use_id": f"use-{number}"}
    return (
        {"event_type": "pre_tool", "tool_input": given, **use},
        {"event_type": "post_tool", "tool_output": output, **use, **end},
    )


def _calls(command: str, file: str) -> list[dict[str, Any]]:
    read, run = _call(1, "Read", {"file_path": file}, "…"), _call(2, "Bash", {"command": command})
    return [*read, run[0]]


def _conversation() -> list[dict[str, Any]]:
    edit = {
        "file_path": f"{SHOP}/auth.py",
        "old_string": "def is_valid(cookie):\n    return cookie == expected",
        "new_string": "def is_valid(cookie: str) -> bool:\n"
        "    return hmac.compare_digest(cookie.strip(), expected)",
    }
    failed = "FAILED tests/test_login.py::test_login - AssertionError: assert False"
    passed = "\u001b[32m................................ [100%]\u001b[0m\n32 passed in 1.42s"
    found = "auth.py:12:def is_valid(cookie):"
    return [
        {"event_type": "thinking", "content": [{"type": "thinking", "thinking": "Look first."}]},
        *_call(1, "Bash", {"command": "pytest -q tests/test_login.py"}, error=failed),
        *_call(2, "Grep", {"pattern": "is_valid", "path": "src"}, found),
        *_call(3, "Edit", edit, "The file was updated."),
        *_call(4, "Bash", {"command": "pytest -q"}, passed),
        says(_CODE),
    ]
