"""`ao-export`: the document on stdout and in a file, its options, and its failures."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell
from tests.commands.terminal import controls_in
from tests.commands.test_hostile_text import HOSTILE
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.rows import each_row

EVENTS: list[dict[str, Any]] = [
    {"event_type": "message", "role": "user", "content": [{"type": "text", "text": "Fix it."}]},
    {"event_type": "thinking", "content": [{"type": "text", "text": "a thought"}]},
    {"event_type": "pre_tool", "tool_name": "Bash", "tool_use_id": "b"},
    {"event_type": "post_tool", "tool_use_id": "b", "tool_output": "é" * 5000},
    {"event_type": "message", "role": "assistant", "content": [{"type": "text", "text": "Done."}]},
    {"event_type": "session_stop", "reason": "completed", "exit_code": 0},
]


@pytest.fixture
def session_id(records: ManagerClient, project: Path, new_id: Callable[[], str]) -> str:
    session_id = new_id()
    records.create_named_session(session_id, "x", project_dir=str(project))
    records.append_events(session_id, EVENTS)
    return session_id


def exported(shell: Shell, *arguments: str) -> str:
    ended = shell.run("ao-export", "x", *arguments)
    assert (ended.exit_code, ended.stderr) == (DONE, "")
    return ended.stdout


def files(shell: Shell) -> list[str]:
    return [path.name for path in shell.directory.iterdir()]


def test_markdown_is_printed_by_default(shell: Shell, session_id: str) -> None:
    shown = exported(shell)
    assert shown.startswith("# `x`\n\n- Session: `")
    assert "\n> Fix it.\n" in shown
    assert "a thought" not in shown
    assert shown.endswith("\n---\n")


def test_json_lines_are_the_stored_events(
    shell: Shell, records: ManagerClient, session_id: str
) -> None:
    shown = exported(shell, "--format", "jsonl", "--thinking")
    lines = [json.loads(line) for line in shown.splitlines()]
    assert lines == list(records.iterate_events(session_id))


def test_options_reach_the_manager(shell: Shell, session_id: str) -> None:
    assert "a thought" in exported(shell, "--thinking")
    assert "Bash" not in exported(shell, "--tools", "none")
    names = exported(shell, "--tools", "names")
    assert "Bash" in names
    assert "éé" not in names
    assert "[… 5,904 bytes cut …]" in exported(shell, "--max-output", "4k")
    assert "bytes cut" not in exported(shell, "--max-output", "1m")


@each_row("size", ["", "k", "4 k", "4kb", "-1", "1.5k", "x", "9" * 13, "٤k"])
def test_unusable_size_is_a_usage_error(shell: Shell, size: str) -> None:
    ended = shell.run("ao-export", "x", f"--max-output={size}")
    assert (ended.exit_code, ended.stdout) == (USAGE, "")
    assert f"{size!r} is not a size such as 500, 4k or 1m." in ended.stderr


def test_file_is_private_complete_and_not_overwritten(shell: Shell, session_id: str) -> None:
    path = shell.directory / "out.html"
    assert exported(shell, "--format", "html", "--output", "out.html") == ""
    first = path.read_text()
    assert first.startswith("<!doctype html>")
    assert first.endswith("</html>\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ended = shell.run("ao-export", "x", "--output", "out.html")
    assert ended == Ended(FAILED, "", "ao-export: out.html exists: to replace it, give --force\n")
    assert path.read_text() == first
    path.chmod(0o644)
    assert exported(shell, "-o", "out.html", "--force") == ""
    assert path.read_text().startswith("# `x`\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert files(shell) == ["out.html"]


def test_link_is_neither_followed_nor_overwritten(
    shell: Shell, session_id: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    (shell.directory / "link").symlink_to(target)
    assert shell.run("ao-export", "x", "-o", "link").exit_code == FAILED
    assert not target.exists()
    assert exported(shell, "-o", "link", "--force") == ""
    assert not target.exists()
    assert not (shell.directory / "link").is_symlink()


@each_row("output", ["missing/out.md", ".", "/proc/out.md"])
def test_unusable_output_is_an_error_with_its_path(
    shell: Shell, session_id: str, output: str
) -> None:
    ended = shell.run("ao-export", "x", "-o", output, "--force")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert ended.stderr.startswith(f"ao-export: {output}: ")
    assert files(shell) == []


def test_cut_answer_leaves_no_file(shell: Shell, session_id: str) -> None:
    """The answer of this server is shorter than it says."""

    def answer(request: Received) -> Reply:
        if "/export" not in request.target:
            return json_reply({"session": stored})
        return Reply(
            body=b"# half", content_type="text/markdown", headers={"Content-Length": "1000"}
        )

    stored = shell.run("ao-status", "x", "--json").json
    with recording(answer) as server:
        cut = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url)
        ended = cut.run("ao-export", f"id:{session_id}", "-o", "out.md")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert "/export" in ended.stderr
    assert files(shell) == []


@each_row(
    ("reply", "problem"),
    [
        (json_reply({"code": "not_found", "detail": "Not Found"}, 404), "is older than"),
        (json_reply({"ok": True}), "an answer of another shape"),
        (Reply(status=500, body=b"<html>"), "500"),
    ],
)
def test_other_answer_is_an_error(
    shell: Shell, session_id: str, reply: Reply, problem: str
) -> None:
    stored = shell.run("ao-status", "x", "--json").json
    with recording(
        lambda r: reply if "/export" in r.target else json_reply({"session": stored})
    ) as server:
        odd = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=server.url)
        ended = odd.run("ao-export", f"id:{session_id}", "-o", "out.md")
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert problem in ended.stderr
    assert files(shell) == []


def test_unknown_session_makes_no_file(shell: Shell) -> None:
    assert shell.run("ao-export", "missing", "-o", "out.md").exit_code == NOT_FOUND
    assert files(shell) == []


def test_terminal_shows_no_control_characters(
    shell: Shell, records: ManagerClient, session_id: str
) -> None:
    hostile = {"event_type": HOSTILE[:90], "content": [{"type": "text", "text": HOSTILE}]}
    records.append_events(session_id, [hostile])
    for form in ("markdown", "html", "jsonl"):
        with shell.on_terminal("ao-export", "x", "--format", form) as terminal:
            code, screen = terminal.end()
        assert code == DONE
        assert controls_in(screen) == []
