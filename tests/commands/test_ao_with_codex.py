"""The commands with the real Codex and the stand-in model."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, FAILED, USAGE, Ended, Shell
from tests.support.model_server import ModelServer, script, tool

# These tests run one after another: concurrent agents would only slow each other down.
pytestmark = pytest.mark.xdist_group("codex-commands")


def test_recorded_session_is_resumed_and_imported_without_effect(
    codex: Shell, records: ManagerClient, model: ModelServer, own_home: Path
) -> None:
    new = ("ao-new", "fix", "--executor", "codex", "-p")
    first = script(tool("exec_command", cmd="echo hi"), {"text": "The word is heron."})
    assert codex.run(*new, first) == Ended(DONE, "The word is heron.\n", "")
    model.forget()
    second = script({"text": "It was heron."})
    assert codex.run("ao-resume", "fix", "-p", second) == Ended(DONE, "It was heron.\n", "")
    (request,) = model.requests()
    assert "The word is heron." in json.dumps(request["body"]["input"])
    (session,) = codex.run("ao-list-sessions", "--here", "--json").json
    assert (session["executor"], session["run"], session["reason"]) == ("codex", 2, "completed")
    before = list(records.iterate_events(session["session_id"]))
    usage = records.get_session(session["session_id"])["usage"]
    assert usage["input_tokens"] == 3 * 1000

    imported = codex.run("ao-import", "--json", str(own_home / ".codex" / "sessions"))
    assert imported.exit_code == DONE, imported
    assert list(records.iterate_events(session["session_id"])) == before
    after = records.get_session(session["session_id"])
    assert (after["usage"], after["run"]) == (usage, 2)
    assert len(codex.run("ao-list-sessions", "--here", "--json").json) == 1
    fork = codex.run("ao-resume", "fix", "--fork", "other", "-p", script({"text": "Forked."}))
    assert fork == Ended(DONE, "Forked.\n", "")
    shutil.rmtree(own_home / ".codex" / "sessions")
    lost = codex.run("ao-resume", "fix", "-p", "again")
    assert (lost.exit_code, "is not on this machine" in lost.stderr) == (USAGE, True)


def test_purge_deletes_the_thread_with_codex(codex: Shell, own_home: Path, tmp_path: Path) -> None:
    """Codex has the text of a conversation in its databases, too."""
    for name in ("kept", "purged"):
        prompt = f"{name}-heron {script({'text': 'Noted.'})}"
        assert codex.run("ao-new", name, "--executor", "codex", "-p", prompt).exit_code == DONE
    home = own_home / ".codex"
    rollouts = {
        name: path
        for path in home.rglob("rollout-*.jsonl")
        for name in ("kept", "purged")
        if f"{name}-heron" in path.read_text()
    }
    ended = codex.run("ao-clean", "purged", "--purge", "--yes", "--json")
    assert (ended.exit_code, ended.json["purged"]) == (DONE, [str(rollouts["purged"])])
    databases = list(home.glob("*.sqlite"))
    assert any(_holds(database, "kept-heron") for database in databases)
    assert not any(_holds(database, "purged-heron") for database in databases)

    broken = tmp_path / "codex"
    broken.write_text("#!/bin/sh\necho Error: it is locked >&2\nexit 1\n")
    broken.chmod(0o755)
    path = f"{tmp_path}:{codex.environment['PATH']}"
    failed = codex.having(PATH=path).run("ao-clean", "kept", "--purge", "--yes")
    assert failed.exit_code == FAILED and rollouts["kept"].exists()
    assert "was not deleted: Error: it is locked" in failed.stderr
    assert f"do it later: {broken} delete --force" in failed.stderr


def _holds(database: Path, word: str) -> bool:
    """Return whether a row of a database has a word."""
    with closing(sqlite3.connect(database)) as opened:
        tables = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = (row for (name,) in tables for row in opened.execute(f'SELECT * FROM "{name}"'))
        return any(word in str(row) for row in rows)


def test_options_that_codex_does_not_have_are_refused(codex: Shell, own_home: Path) -> None:
    new = ("ao-new", "x", "--executor", "codex", "-p", "hi")
    assert "only --timeout" in codex.run(*new, "--max-cost", "1").stderr
    auto = codex.run(*new, "--permission-mode", "auto")
    assert (auto.exit_code, "no permission mode auto" in auto.stderr) == (USAGE, True)
    agent = own_home / ".claude" / "agents" / "reader.md"
    agent.parent.mkdir(parents=True)
    agent.write_text("---\nname: reader\ndescription: reads\ntools: Read\n---\nRead.\n")
    limited = codex.run(*new, "--agent", "reader")
    assert (limited.exit_code, "limits its tools" in limited.stderr) == (USAGE, True)
    failed = codex.run("ao-new", "y", "--executor", "codex", "-p", script({}))
    assert (failed.exit_code, "without an answer" in failed.stderr) == (FAILED, True)
