"""An import of every agent's files: sums equal an independent count, and names agree everywhere."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, Shell
from tests.support import history_count
from tests.support.api import Api
from tests.support.history_tree import PREDECESSOR, write_tree
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager
from tests.support.opencode_samples import change
from tests.support.usage_count import count

_NAMES = {
    "input_tokens": "input", "output_tokens": "output", "cache_read_tokens": "read",
    "cache_creation_tokens": "write", "cache_creation_1h_tokens": "1h",
    "reasoning_tokens": "reasoning", "web_searches": "searches",
    "cost_nanodollars": "nanodollars", "unpriced_tokens": "unpriced",
}  # fmt: skip
_KINDS = {
    "assistant": "answer", "thinking": "thought", "pre_tool": "call", "post_tool": "result",
}  # fmt: skip
AGENTS = {"claude", "codex", "gemini", "copilot", "opencode"}


def counts_of(records: ManagerClient) -> dict[str, Counter[str]]:
    """Return for each agent the sessions, and the events of the kinds that are counted."""
    counts: dict[str, Counter[str]] = {}
    for session in records.find_sessions():
        of_agent = counts.setdefault(session["executor"], Counter())
        of_agent["sessions"] += 1
        for event in records.iterate_events(session["session_id"]):
            kind = _KINDS.get(event.get("role") or event["event_type"])
            of_agent.update([kind] if kind else ())
    return counts


def everything_below(home: Path) -> dict[Path, tuple[str, int, int]]:
    """Return the content, the mode and the time of each file and directory."""
    return {
        path: (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mode,
            path.stat().st_mtime_ns,
        )
        for path in (home, *home.rglob("*"))
    }


def sums_of(rows: list[dict[str, Any]], name: str) -> dict[str | None, Counter[str]]:
    """Return the sums of the rows of `ao-usage` with the names of the independent count."""
    found = {
        row[name]: Counter({ours: row["usage"][theirs] for theirs, ours in _NAMES.items()})
        + Counter(requests=row["requests"])
        for row in rows
    }
    return {key: +counts for key, counts in found.items() if +counts}


def test_sums_of_all_agents_equal_an_independent_count(
    own: RunningManager, own_shell: Shell, own_records: ManagerClient, tmp_path: Path
) -> None:
    home = tmp_path / "people"
    write_tree(home)
    person = own_shell.having(
        HOME=str(home),
        AGENT_ORCHESTRATOR_SESSIONS_DIR=str(home / PREDECESSOR),
        CLAUDE_CONFIG_DIR=None,
    )
    # As opencode has it: a reader of such a database can leave files beside it.
    change(home / ".local/share/opencode/opencode.db", "PRAGMA journal_mode = WAL")
    before = everything_below(home)
    announced = person.run("ao-import", "--dry-run", "--json")
    imported = person.run("ao-import", "--json")
    assert imported.exit_code == DONE, imported
    assert announced.json == imported.json
    assert everything_below(home) == before
    assert counts_of(own_records) == history_count.count(home)

    def rows(by: str) -> list[dict[str, Any]]:
        report = person.run("ao-usage", "--by", by, "--since", "all", "--json").json
        assert sum(row["requests"] for row in report["rows"]) == report["total"]["requests"]
        found: list[dict[str, Any]] = report["rows"]
        return found

    expected = {model: +counts for model, counts in count(home).items()}
    assert sums_of(rows("model"), "model") == expected
    for by in ("agent", "session", "tree", "project"):
        sums = [counts for row in rows(by) for counts in sums_of([row], "start").values()]
        assert sum(sums, Counter()) == sum(expected.values(), Counter()), by
    check_agents(person, own_records, {row["agent"] for row in rows("agent")})

    with Api(own) as api:
        wait_for_index(api)
    hits = person.run("ao-search", "answer", "--agent", "opencode", "--json").json["hits"]
    assert hits and {hit["agent"] for hit in hits} == {"opencode"}
    for is_deleted in (False, True):  # neither a second import nor a deletion changes a sum
        if is_deleted:
            shutil.rmtree(home)
            home.mkdir()
        again = person.run("ao-import", "--json").json
        assert (again["events"], again["requests"]) == (0, 0)
        assert (again["gone"] > 0) is is_deleted
        assert sums_of(rows("model"), "model") == expected
    found = person.run("ao-search", "answer", "--agent", "opencode", "--json").json["hits"]
    assert [hit["seq"] for hit in found] == [hit["seq"] for hit in hits]


def check_agents(shell: Shell, records: ManagerClient, agents: set[str]) -> None:
    """Check that usage, facets, filters and the table of sessions know the same agents."""
    assert agents > AGENTS
    facets = records._request("GET", "/facets")["agents"]
    assert {facet["agent"] for facet in facets} == agents
    for facet in facets:
        agent = facet["agent"]
        listed = shell.run("ao-list-sessions", "--agent", agent, "--json").json
        assert len(listed) == facet["count"]
        assert {session["agent_name"] or session["executor"] for session in listed} == {agent}
    table = shell.run("ao-list-sessions").stdout
    assert all(agent in table for agent in agents)
