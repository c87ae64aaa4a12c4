"""Places that may and may not contain the token, and files that only their owner may read."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from agent_orchestrator.machine import environment
from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.outbox.outbox import OutboxError, peek
from agent_orchestrator.session_client import SessionClient, SessionClientError
from agent_orchestrator.shared.manager_settings import SETTINGS
from tests.commands.command_names import ALL, arguments_of
from tests.commands.detached_session import start_detached
from tests.commands.processes import supervisor_of
from tests.commands.shell import DONE, FAILED, Shell
from tests.support.api import Api
from tests.support.gate import Gate, pids_in
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import wait_for

SECRET = "a-token-of-the-person-that-remains-private"
SAID = "words-of-an-event-that-no-log-may-hold"


@pytest.fixture
def own(start_manager: Callable[..., RunningManager]) -> RunningManager:
    before = os.umask(0)
    try:
        return start_manager(variables={"AGENT_ORCHESTRATOR_TOKEN": SECRET})
    finally:
        os.umask(before)


@pytest.fixture
def person(own: RunningManager, project: Path, own_home: Path) -> Iterator[Shell]:
    """A shell with umask 0, with logging, and with the token in its environment."""
    environment = {
        **own.environment(),
        "HOME": str(own_home),
        "AGENT_ORCHESTRATOR_TOKEN": SECRET,
        "AGENT_ORCHESTRATOR_ENABLE_LOGGING": "1",
    }
    before = os.umask(0)
    # The tests read the arguments and the environments of real processes.
    opened = Shell(directory=project, environment=environment, own_python=True)
    yield opened
    opened.close()
    os.umask(before)


def texts_below(directory: Path) -> Iterator[tuple[Path, bytes]]:
    for path in directory.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def test_token_is_only_in_the_discovery_file(
    own: RunningManager, person: Shell, started: Path, gate: Gate
) -> None:
    session_id, agent = start_detached(person, "x", started, gate)
    supervisor = supervisor_of(own.state_dir, session_id).pid
    processes = [psutil.Process(pid) for pid in (own.pid, supervisor, agent)]
    for process in processes:
        assert SECRET not in " ".join(process.cmdline())
    assert SECRET not in "".join(psutil.Process(agent).environ().values())
    with Api(own) as api:  # answers to a client with a wrong token
        refused = api.call("GET", "/sessions", headers={"Authorization": f"Bearer x{SECRET}"})
        assert SECRET.encode() not in refused.body
        event = {"event_type": "message", "content": [{"type": "text", "text": SAID}]}
        assert api.post(f"/sessions/{session_id}/events", event).status == 201
        bad = {"event_type": "message", "content": SAID}
        api.post(f"/sessions/{session_id}/events", bad)
        api.get(f"/sessions/{session_id}?token={SECRET}")
    gate.open()
    person = replace(person, own_python=False)  # only what the commands write is read from here
    person.run("ao-wait", "x")
    person.run("ao-status", "x")
    assert person.run("ao-status", "x\nforged").exit_code != 0
    held = {path.name for path, text in texts_below(own.state_dir) if SECRET.encode() in text}
    assert held == {f"manager-{own.port}.json"}
    logs = ("supervisors.log", "commands.log")
    written = own.log() + "".join((own.state_dir / name).read_text() for name in logs)
    assert SECRET not in written and SAID not in written


MARKER = "a-value-that-no-agent-may-read"
BELIEVED_BY_COMMANDS = {
    "AGENT_ORCHESTRATOR_ASK",
    "AGENT_ORCHESTRATOR_AGENTS_DIR",
    "AGENT_ORCHESTRATOR_PROJECT_DIR",
    "AGENT_ORCHESTRATOR_SESSIONS_DIR",
    "AGENT_ORCHESTRATOR_SESSION_ID",
}
"""Variables that commands use and agents get unchanged; the test keeps their real values."""
BEARERS = re.compile(r"code=[\w-]{20}|\b(?:run|agent)-[\w-]{40}")
"""The forms of a dashboard code, a run token and an agent token."""


@contextmanager
def sampled_arguments() -> Iterator[set[str]]:
    """Collect the arguments of all processes of this user, for as long as the block lasts."""
    seen: set[str] = set()
    is_over = threading.Event()

    def sample() -> None:
        while not is_over.is_set():
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    seen.add(" ".join(process.cmdline()))

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield seen
    finally:
        is_over.set()
        sampling.join()


def test_no_secret_is_an_argument_of_a_process(
    own: RunningManager, person: Shell, started: Path, gate: Gate, tmp_path: Path
) -> None:
    """Every kind of program that a command starts waits at the gate until it was sampled."""
    waiting = f'#!/bin/sh\necho $$ >> "{started}"\nread word < "{gate.path}"\n'
    browser = tmp_path / "browser"
    browser.write_text(waiting)
    browser.chmod(0o755)
    marked = {"AGENT_ORCHESTRATOR_DATABASE_URL": f"postgresql://a:{SECRET}@127.0.0.1:1/x"}
    there = person.having(BROWSER=str(browser), DISPLAY=None, **marked)
    program = ("--executor", "command", "--", str(browser))
    commands: list[tuple[str, ...]] = [
        ("ao-dashboard",),
        ("ao-new", "seen", "-p", SECRET, *program),
        ("ao-resume", "seen", "-p", SECRET),
        ("ao-resume", "seen", "--fork", "fork", "-p", SECRET),
    ]
    with sampled_arguments() as seen:
        for number, command in enumerate(commands, start=1):
            running = there.start(*command)
            pids = wait_for(partial(pids_in, started, number), "the program runs")
            arguments = " ".join(psutil.Process(pids[-1]).cmdline())
            wait_for(partial(seen.__contains__, arguments), "the program was sampled")
            gate.open()
            assert running.end().exit_code == DONE
    supervisors = [line for line in seen if line.endswith(".supervisor")]
    assert supervisors
    typed = [line for line in seen if f"-p {SECRET}" in line]
    key = (own.state_dir / "seal.key").read_bytes().hex()
    assert not [
        line
        for line in seen.difference(typed)
        if SECRET in line or key in line or BEARERS.search(line)
    ]


DUMPER = """
import json, os, pathlib, re, sys
found, pid = [], os.getpid()
while pid > 1:
    of = pathlib.Path(f"/proc/{pid}")
    try:
        variables = (of / "environ").read_bytes().decode().split(chr(0))
    except PermissionError:
        variables = []
    found.append({"variables": variables, "arguments": (of / "cmdline").read_text()})
    pid = int(re.search(r"PPid:\\s*(\\d+)", (of / "status").read_text())[1])
pathlib.Path(sys.argv[1]).write_text(json.dumps(found))
"""
"""Writes the environments of its own process and of all its ancestors to a file."""


@each_row("name, options", [("attached", ()), ("detached", ("--detach",))])
def test_agent_reads_only_the_variables_listed_for_it(
    person: Shell, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    ours = {
        *(setting.variable for setting in SETTINGS if not setting.is_secret),
        *(value for name, value in vars(environment).items() if name.startswith("ENV_")),
        environment.RUN_MARKER,
        "AGENT_ORCHESTRATOR_NEW_IN_THE_NEXT_VERSION",
    }
    useful = {name for name in person.environment if name in ours}
    marked = dict.fromkeys(ours - useful - BELIEVED_BY_COMMANDS, MARKER)
    dumped = tmp_path / "dumped"
    program = (sys.executable, "-c", DUMPER, str(dumped))
    there = person.having(**marked)
    begun = there.run("ao-new", name, *options, "--executor", "command", "--", *program)
    assert begun.exit_code == DONE
    assert replace(person, own_python=False).run("ao-wait", name).exit_code == DONE
    agent, *above = json.loads(dumped.read_text())
    assert any("supervisor" in process["arguments"] for process in above)
    for process in (agent, *above):
        leaked = [v for v in process["variables"] if MARKER in v or SECRET in v]
        assert leaked == [], process["arguments"]
    given = {v.partition("=")[0] for v in agent["variables"] if v.startswith(environment.PREFIX)}
    assert given == {
        "AGENT_ORCHESTRATOR_ENABLE_LOGGING",
        "AGENT_ORCHESTRATOR_RUN",
        "AGENT_ORCHESTRATOR_RUN_MANAGER_URL",
        "AGENT_ORCHESTRATOR_RUN_TOKEN",
        "AGENT_ORCHESTRATOR_SESSION_ID",
        "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL",
        "AGENT_ORCHESTRATOR_STATE_DIR",
    }


def test_agent_reaches_the_manager_past_a_proxy(person: Shell) -> None:
    """A proxy would get the token with the first request of an agent to its tools."""
    there = replace(person, own_python=False).having(
        HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="intranet"
    )
    program = ("--executor", "command", "--", "printenv", "NO_PROXY")
    assert there.run("ao-new", "x", *program).stdout == "intranet,127.0.0.1\n"


def test_state_files_are_for_their_owner_alone(
    own: RunningManager, person: Shell, started: Path, gate: Gate
) -> None:
    start_detached(person, "x", started, gate)
    modes = {
        path.relative_to(own.state_dir).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in own.state_dir.rglob("*")
    }
    wrong = {
        name: oct(mode)
        for name, mode in modes.items()
        if mode != (0o700 if (own.state_dir / name).is_dir() else 0o600)
    }
    assert wrong == {}
    assert stat.S_IMODE(own.state_dir.stat().st_mode) == 0o700
    names = {name.partition("/")[0] for name in modes}
    assert {"runs", "outbox", "seal.key", "supervisors.log", "sessions.db"} <= names
    gate.open()
    person.run("ao-wait", "x")


def test_token_is_in_no_error_of_the_client(
    own: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = f"{SECRET}-and-more"
    monkeypatch.setenv("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", own.url)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_TOKEN", wrong)
    with SessionClient(own.url) as client, pytest.raises(SessionClientError) as caught:
        client.list_sessions()
    assert caught.value.status_code == 401
    assert SECRET not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"


def test_links_and_open_directories_are_refused_in_one_line(
    person: Shell, own: RunningManager, tmp_path: Path
) -> None:
    person = replace(person, own_python=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(0o600)

    def refusal(name: str) -> str:
        refused = person.run("ao-new", name, "--executor", "command", "--", "true")
        assert refused.exit_code == FAILED
        (line,) = refused.stderr.splitlines()
        return line

    for name in ("seal.key", "supervisors.log", "runs", "outbox"):
        path = own.state_dir / name
        path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
        path.symlink_to(elsewhere)
        assert str(path) in refusal(name)
        path.unlink()
        assert elsewhere.read_bytes() == b""
    own.state_dir.chmod(0o755)
    assert f"chmod 700 {own.state_dir}" in refusal("x")
    own.state_dir.chmod(0o700)


def test_fifo_instead_of_a_state_file_blocks_no_command(
    own: RunningManager, person: Shell, started: Path, gate: Gate
) -> None:
    """Tries every file of the commands and of a live run, and the same files of other runs."""
    person = replace(person, own_python=False)
    session_id, _ = start_detached(person, "x", started, gate)
    live = [path for path in own.state_dir.rglob("*") if path.is_file()]
    of_a_run = [path for path in live if session_id in path.name]
    assert {path.parent.name for path in of_a_run} == {"runs", "outbox"}
    for path in of_a_run:  # as a dead run, with and without a usable lock
        for name, is_whole in (("dead", False), ("half", path.suffix == ".lock")):
            fake = path.with_name(path.name.replace(session_id, name))
            fake.touch(0o600) if is_whole else os.mkfifo(fake, 0o600)
    peeked = outbox_dir(own.state_dir) / f"{session_id}.1.db"
    with pytest.raises(OutboxError, match="it is not a file"):
        os.mkfifo(peeked.with_name("peeked.db"), 0o600)
        peek(peeked.with_name("peeked.db"))
    for command in (c for c in ALL if c not in ("ao-clean", "ao-resume", "ao-stop", "ao-wait")):
        person.run(command, *arguments_of(command))
    gate.open()
    for command in ("ao-wait", "ao-stop"):
        assert person.run(command, session_id).exit_code == DONE
    for name in ("seal.key", "supervisors.log", "commands.log"):
        (own.state_dir / name).unlink()
        os.mkfifo(own.state_dir / name, 0o600)
    for command in ("ao-resume", "ao-new", "ao-clean"):
        refused = person.run(command, *arguments_of(command))
        assert refused.exit_code == FAILED
        assert "it is not a file: remove it" in refused.stderr
    unlogged = person.having(AGENT_ORCHESTRATOR_ENABLE_LOGGING=None)
    purged = unlogged.run("ao-clean", session_id, "--purge", "--yes")
    assert "seal.key: it is not a file: remove it" in purged.stderr
