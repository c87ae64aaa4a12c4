"""`ao-mcp`: the tools over stdio, for a person's own client and inside a run."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.ended_run import wait_for_run
from tests.commands.shell import DONE, Shell
from tests.support.gate import Gate
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS


@pytest.fixture
def armed(shell: Shell, tmp_path: Path, gate: Gate) -> Shell:
    """A shell with two agents: one counts words, one waits for the gate."""
    return shell.having(AGENT_ORCHESTRATOR_AGENTS_DIR=str(agents_in(tmp_path, gate)))


def agents_in(directory: Path, gate: Gate) -> Path:
    agents = directory / "agents"
    waiting = ["sh", "-c", f"read word < '{gate.path}'; echo done"]
    for name, command in {"counter": ["wc", "-w"], "waiter": waiting}.items():
        (agents / name).mkdir(parents=True)
        definition = {"name": name, "description": "Works.", "command": command}
        (agents / name / "agent.json").write_text(json.dumps(definition))
    return agents


class Stdio:
    """A client that writes lines to `ao-mcp`, and reads its lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._count = 0

    def write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        message: dict[str, Any] = json.loads(self._process.stdout.readline())
        return message

    def send(self, method: str, **params: Any) -> int:
        self._count += 1
        message = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        self.write(json.dumps(message).encode())
        return self._count

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its answer."""
        request_id = self.send("tools/call", name=tool, arguments=arguments)
        message = self.read()
        assert message["id"] == request_id
        answer: dict[str, Any] = json.loads(message["result"]["content"][0]["text"])
        return answer


@contextmanager
def stdio(shell: Shell) -> Iterator[Stdio]:
    """Run `ao-mcp` as a client does; it must end with its stdin, and write no other line."""
    process = subprocess.Popen(
        shell.forked_command("ao-mcp"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=shell.environment,
        cwd=shell.directory,
    )
    try:
        yield Stdio(process)
        rest, errors = process.communicate(timeout=WATCHDOG_SECONDS)
        assert (rest, errors, process.returncode) == (b"", b"", DONE)
    finally:
        process.kill()
        process.wait()


def test_the_packages_own_client_starts_and_leads_sessions(armed: Shell) -> None:
    command, *arguments = armed.command("ao-mcp")
    server = StdioServerParameters(
        command=command, args=arguments, env=armed.environment, cwd=str(armed.directory)
    )

    async def act() -> list[Any]:
        async with Client(stdio_client(server)) as client:

            async def call(tool: str, **given: Any) -> Any:
                result = await client.call_tool(tool, given)
                return json.loads(result.content[0].text)  # type: ignore[union-attr]

            tools = {tool.name for tool in (await client.list_tools()).tools}
            one = {"name": "count", "prompt": "one two", "agent": "counter"}
            return [
                tools,
                await call("start_session", **one),
                await call("start_session", **one),
                await call("start_session", **{**one, "prompt": "other"}),
                await call("start_session", name="odd", prompt="x", agent="unknown"),
                await call("wait_sessions", sessions=["count"], seconds=45),
                await call("resume_session", session="count", text="one two three"),
                await call("wait_sessions", sessions=["count"], seconds=45),
                await call("start_session", name="count"),
            ]

    tools, new, again, taken, odd, waited, resumed, counted, bad = asyncio.run(act())
    assert {"start_session", "wait_sessions", "stop_session"} <= tools
    assert (new["is_new"], again["is_new"]) == (True, False)
    assert new["session_id"] == again["session_id"]
    assert taken["error"]["code"] == "name_taken"
    assert odd["error"]["code"] == "not_started"
    assert waited["ended"][0]["result"] == {"text": "2\n"}
    assert resumed["run"] == 2
    assert counted["ended"][0]["result"] == {"text": "3\n"}
    assert bad["error"]["code"] == "invalid_arguments"
    ended = armed.run("ao-status", "count", "--json").json
    assert (ended["parent_session_id"], ended["project_dir"]) == (None, str(armed.directory))


GARBAGE: list[tuple[bytes, int | None]] = [
    (b"garbage", -32700),
    (b"\xff\xfe\x00", -32700),
    (b"[" * 100_000, -32700),
    (b"[]", -32600),
    (b"7", -32600),
    (b"{}", -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    (b'{"id":7,"method":7}', -32600),
    (b'"' + b"x" * (5 << 20) + b'"', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"no/such"}', -32601),
    (b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"rm"}}', -32602),
    (b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":[1]}', None),
]


def test_garbage_is_answered_and_serving_continues(armed: Shell) -> None:
    with stdio(armed) as client:
        for line, code in GARBAGE:
            client.write(b"")
            client.write(
                b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
            )
            client.write(b'{"jsonrpc":"2.0","id":9,"result":{}}')
            client.write(line)
            answer = client.read()
            assert code is None or answer["error"]["code"] == code, line[:80]
            assert "sessions" in client.call("list_sessions"), line[:80]


def test_cancelled_wait_gets_no_answer_and_end_of_stdin_ends_all(armed: Shell, gate: Gate) -> None:
    with stdio(armed) as client:
        started = client.call("start_session", name="w", prompt="x", agent="waiter")
        waiting = {"name": "wait_sessions", "arguments": {"sessions": ["w"], "seconds": 45}}
        cancelled = client.send("tools/call", **waiting)
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
        client.write(json.dumps({**note, "params": {"requestId": cancelled}}).encode())
        assert client.call("list_sessions")["sessions"]
        for _ in range(3):
            client.send("tools/call", **waiting)
    status = armed.run("ao-status", started["session_id"])
    assert status.stdout == "running\n"  # a session survives its client
    gate.open()
    assert armed.run("ao-wait", started["session_id"]).exit_code == DONE


def test_wait_survives_a_restart_of_the_manager(
    own_shell: Shell, own: RunningManager, gate: Gate, tmp_path: Path
) -> None:
    shell = own_shell.having(AGENT_ORCHESTRATOR_AGENTS_DIR=str(agents_in(tmp_path, gate)))
    with stdio(shell) as client:
        client.call("start_session", name="w", prompt="x", agent="waiter")
        for _ in range(2):
            client.send(
                "tools/call", name="wait_sessions", arguments={"sessions": ["w"], "seconds": 45}
            )
        own.kill()
        own.restart()
        gate.open()
        for _ in range(2):
            answer = json.loads(client.read()["result"]["content"][0]["text"])
            assert "ended" in answer, answer
            assert answer["ended"][0]["result"] == {"text": "done\n"}


def test_inside_a_run_it_acts_as_the_agent(
    armed: Shell, records: ManagerClient, tmp_path: Path
) -> None:
    assert armed.run("ao-new", "stranger", "-p", "x", "--agent", "counter").exit_code == DONE
    given = {"name": "child", "prompt": "one two", "agent": "counter"}
    calls: list[tuple[str, dict[str, Any]]]
    calls = [("start_session", given), ("list_sessions", {}), ("get_result", {"session": "lead"})]
    calls += [("get_result", {"session": "stranger"})]
    calls += [("start_session", {**given, "name": "unheard", "notify": False})]
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call"} | {"params": params})
        for number, params in enumerate({"name": n, "arguments": a} for n, a in calls)
    ]
    source = tmp_path / "calls"
    source.write_text("\n".join(lines) + "\n")
    program = ("sh", "-c", f'exec "$@" < "{source}"', "sh", *armed.forked_command("ao-mcp"))
    lead = armed.run("ao-new", "lead", "--executor", "command", "--", *program)
    assert lead.exit_code == DONE, lead.stderr
    answers = {}
    for line in lead.stdout.splitlines():
        message = json.loads(line)
        answers[message["id"]] = json.loads(message["result"]["content"][0]["text"])
    (parent,) = records.find_sessions(session_name="lead", project_dir=str(armed.directory))
    assert answers[0]["parent_session_id"] == parent["session_id"]
    assert {row["name"] for row in answers[1]["sessions"]} <= {"lead", "child"}
    assert answers[2]["error"]["code"] == "not_finished"
    assert answers[3]["error"]["code"] == "session_not_found"
    # The lead has ended without the result, and gets a notice by its next run.
    session = wait_for_run(records, parent["session_id"], 2)
    assert session["undelivered_notices"] == 0
    events = records.iterate_events(parent["session_id"])
    (told,) = (event for event in events if event.get("origin") == "notice")
    assert 'Session "child"' in told["content"][0]["text"]
    assert "unheard" not in told["content"][0]["text"]
