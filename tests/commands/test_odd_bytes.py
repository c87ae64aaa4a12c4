"""Paths and arguments that are not UTF-8 can be run, found and resumed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from tests.commands.processes import stop_manager
from tests.commands.shell import DONE, USAGE, Shell
from tests.support.forked_command import run_forked


def said_by(shell: Shell, command: str, *arguments: str | bytes) -> str:
    done = shell.run(command, *map(os.fsdecode, arguments))
    assert (done.exit_code, done.stderr) == (DONE, ""), (command, done)
    return done.stdout


def test_bytes_that_are_not_utf_8_reach_the_program(shell: Shell, tmp_path: Path) -> None:
    directory = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    directory.mkdir()
    there = replace(shell, directory=directory)
    program = (
        "--executor",
        "command",
        "--",
        "sh",
        "-c",
        'printf %s "$(pwd)$1" | od -An -tx1',
        "sh",
    )
    seen = said_by(there, "ao-new", "x", *program, b"/\xff")
    assert seen.split()[-6:] == ["63", "61", "66", "e9", "2f", "ff"]
    # The option, the working directory and the spec all lead to the same directory and argument.
    (session,) = json.loads(said_by(there, "ao-list-sessions", "--here", "--json"))
    assert session["project_dir"] == f"{tmp_path}/caf\\xe9"
    assert said_by(there, "ao-resume", "x", "-p", "hi") == seen
    for command in (
        "ao-get-result",
        "ao-status",
        "ao-logs",
        "ao-wait",
        "ao-stop",
        "ao-show-config",
    ):
        arguments = () if command == "ao-show-config" else ("x",)
        assert said_by(there, command, *arguments, "--json"), command
        of_it = ("--project-dir", os.fsencode(directory))
        assert said_by(shell, command, *arguments, "--json", *of_it), command
    assert said_by(there, "ao-clean", "x")


def test_name_that_is_not_utf_8_is_refused(shell: Shell) -> None:
    ended = shell.run("ao-new", os.fsdecode(b"caf\xe9"), "--executor", "command", "--", "true")
    assert (ended.exit_code, ended.stdout) == (USAGE, "")
    assert "UTF-8" in ended.stderr


def test_state_directory_of_any_bytes_is_used(lonely: Shell, tmp_path: Path) -> None:
    state = Path(os.fsdecode(os.fsencode(tmp_path) + b"/st\xff?a=%41#b c"))
    environment = {**lonely.environment, "AGENT_ORCHESTRATOR_STATE_DIR": str(state)}
    there = replace(lonely, environment=environment)
    made = there.run("ao-new", "x", "--executor", "command", "--", "echo", "hi")
    try:
        assert (made.exit_code, made.stdout) == (DONE, "hi\n")
        (session,) = json.loads(said_by(there, "ao-list-sessions", "--json"))
        assert session["session_name"] == "x"
        copy = tmp_path / "copy.db"
        assert "1 session" in run_forked(["backup", str(copy)], environment).stdout
    finally:
        stop_manager(state)
    assert "1 session" in run_forked(["restore", str(copy)], environment).stdout
    assert {path.name for path in tmp_path.iterdir()} <= {state.name, "copy.db", "project", "home"}
