"""`ao-usage`: the table, JSON, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError
from tests.commands.shell import DONE, USAGE, Ended, Shell, call
from tests.support.recording import json_reply, recording
from tests.support.rows import each_row

MODELS = {"claude-opus-5-5": 2, "some-model": 1}


def use(records: ManagerClient, session_id: str, project: Path, at: datetime) -> None:
    """Create a session with two requests of a known and one of an unknown model."""
    records.create_named_session(
        session_id, "fix login", project_dir=str(project), agent_name="reviewer", executor="command"
    )
    for model, times in MODELS.items():
        for number in range(times):
            event = {
                "event_type": "usage",
                "request_id": f"{model} {number}",
                "model": model,
                "timestamp": at.isoformat(),
                "usage": {"input_tokens": 1000, "output_tokens": 500},
            }
            records.add_event(session_id, event)


@pytest.fixture
def used(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> str:
    session_id = new_id()
    use(records, session_id, project, datetime.now(UTC))
    return session_id


def rows_of(ended: Ended) -> list[list[str]]:
    assert (ended.exit_code, ended.stderr) in ((DONE, ""), (DONE, ended.stderr)), ended
    *rows, last = ended.stdout.splitlines()
    assert last.startswith("Cost: ")
    return [re.split("  +", line) for line in rows]


def test_table_has_a_row_for_each_group_and_a_total(
    own_shell: Shell, own_records: ManagerClient, project: Path, new_id: Callable[[], str]
) -> None:
    used, at = new_id(), datetime.now(UTC)
    use(own_records, used, project, at)
    names = {
        "project": str(project), "agent": "reviewer", "session": f"fix login {used[:8]}",
        "tree": f"fix login {used[:8]}", "day": f"{at.astimezone():%Y-%m-%d}",
    }  # fmt: skip
    for by, name in names.items():
        header, *rows = rows_of(own_shell.run("ao-usage", "--by", by))
        assert header[:2] == [by.upper(), "REQUESTS"]
        assert rows[-1][0] == "TOTAL"
        assert [row[:1] + row[1:6] for row in rows if row[0] == name] == [
            [name, "3", "3.00k", "0", "0", "1.50k"]
        ]


def test_unknown_cost_is_shown_as_unknown(shell: Shell, used: str) -> None:
    ended = shell.run("ao-usage", "--by", "model", "--since", "7d")
    costs = {row[0]: row[-1] for row in rows_of(ended)}
    assert costs["some-model"] == "unknown"
    assert re.fullmatch(r"\$\d+\.\d+", costs["claude-opus-5-5"])
    assert costs["TOTAL"] == f"{costs['claude-opus-5-5']} + unknown"
    assert re.search(r"computed with the prices of 20\d\d-\d\d-\d\d; unknown for ", ended.stdout)


def test_json_has_the_rows_and_the_total(shell: Shell, used: str) -> None:
    report = shell.run("ao-usage", "--by", "session", "--since", "all", "--json").json
    assert [row["requests"] for row in report["rows"] if row["session_id"] == used] == [3]
    assert report["total"]["usage"]["unpriced_tokens"] >= 1500
    by_week = shell.run("ao-usage", "--by", "week", "--since", "all", "--json").json
    assert by_week["total"] == report["total"]
    report = shell.run("ao-usage", "--by", "session", "--limit", "1", "--json").json
    assert len(report["rows"]) == 1


def test_period_without_usage_has_no_table(shell: Shell) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    assert shell.run("ao-usage", "--since", tomorrow) == Ended(DONE, "", "")


@each_row(
    "arguments",
    [
        ["--by", "month"], ["--since", "0d"], ["--since", "tomorrow"], ["--since", "2026-13-01"],
        ["--since", "99999999d"], ["--since", "9999-12-31T00"],
        ["--limit", "0"], ["--limit", "10001"], ["more"],
    ],
)  # fmt: skip
def test_wrong_values_are_usage_errors(arguments: list[str]) -> None:
    ended = call("ao-usage", *arguments)
    assert (ended.exit_code, ended.stdout) == (USAGE, ""), ended
    assert ended.stderr.startswith("ao-usage: ")


def test_report_of_another_shape_is_refused(shell: Shell) -> None:
    genuine = shell.run("ao-usage", "--since", "all", "--by", "model", "--json").json
    total = genuine["total"]
    wrong: list[dict[str, Any]] = [
        {**genuine, "rows": 5}, {**genuine, "total": None}, {"rows": []},
        {**genuine, "total": {**total, "newest_prices": "soon"}},
        {**genuine, "total": {**total, "usage": {**total["usage"], "input_tokens": "x"}}},
        {**genuine, "rows": [{**total, "session_id": "../x"}]},
    ]  # fmt: skip
    told: list[dict[str, Any]] = [genuine]
    with recording(lambda _: json_reply(told[-1])) as liar, ManagerClient(liar.url) as client:
        assert client.report_usage({}) == genuine
        for answer in wrong:
            told.append(answer)
            with pytest.raises(SessionClientError):
                client.report_usage({})
