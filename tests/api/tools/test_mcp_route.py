"""The MCP route: its callers, its revisions, and requests that are not valid."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION

from tests.api.guard.family import Family, make_family
from tests.api.guard.run_token import new
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.mcp_call import ACCEPT, Called, call, messages_in, send, tools_of
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

READ = {"wait_sessions", "get_result", "list_sessions", "read_events"}
CHANGE = {"start_session", "send_message", "resume_session", "stop_session"}


@each_row("mode", ["auto", "legacy"])
def test_the_packages_own_client_calls_a_tool(
    manager: RunningManager, family: Family, mode: str
) -> None:
    async def act() -> tuple[str, Any]:
        headers = {"Authorization": f"Bearer {family.agent_token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=WATCHDOG_SECONDS) as http,
            Client(
                streamable_http_client(f"{manager.url}/mcp", http_client=http),
                mode=mode,
            ) as client,
        ):
            assert {tool.name for tool in (await client.list_tools()).tools} == READ | CHANGE
            result = await client.call_tool("list_sessions", {})
            return client.protocol_version, result.content[0]

    revision, content = asyncio.run(act())
    newest = HANDSHAKE_PROTOCOL_VERSIONS[-1]
    assert revision == (newest if mode == "legacy" else LATEST_MODERN_VERSION)
    listed = {row["session_id"] for row in json.loads(content.text)["sessions"]}
    assert listed == {family.ids[name] for name in ("own", "child", "grandchild")}


@each_row("revision", HANDSHAKE_PROTOCOL_VERSIONS)
def test_every_revision_with_a_handshake_is_spoken(agent: Api, revision: str) -> None:
    params = {
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    (answer,) = messages_in(send(agent, "initialize", params))
    assert answer["result"]["protocolVersion"] == revision
    assert "data" in answer["result"]["instructions"]
    agent.headers["MCP-Protocol-Version"] = revision
    (listed,) = messages_in(send(agent, "tools/list"))
    assert len(listed["result"]["tools"]) == len(READ | CHANGE)


def test_hints_tell_which_tools_only_read(agent: Api) -> None:
    (listed,) = messages_in(send(agent, "tools/list"))
    hints = {tool["name"]: tool["annotations"] for tool in listed["result"]["tools"]}
    assert {name for name, hint in hints.items() if hint["readOnlyHint"]} == READ
    assert {name for name, hint in hints.items() if hint["destructiveHint"]} == {"stop_session"}
    idempotent = {name for name, hint in hints.items() if hint["idempotentHint"]}
    assert idempotent == READ | {"start_session", "stop_session"}
    for tool in listed["result"]["tools"]:
        assert tool["inputSchema"]["additionalProperties"] is False


def page_token(api: Api) -> str:
    code = api.post("/dashboard/codes", {}).json["code"]
    token: str = api.post("/dashboard/token", {"code": code}).json["token"]
    return token


def test_only_agents_and_the_person_may_call(
    manager: RunningManager, family: Family, api: Api
) -> None:
    def asked(token: str, **headers: str) -> tuple[int, str | None]:
        with tools_of(manager, token, **headers) as tools:
            answer = send(tools, "tools/list")
            return answer.status, answer.json["code"] if answer.status != 200 else None

    assert asked(family.agent_token) == asked(manager.token) == (200, None)
    assert asked(family.token) == (403, "not_for_runs")  # of the supervisor
    assert asked(page_token(api)) == (403, "not_for_pages")
    assert asked("agent-" + "x" * 43) == (401, "run_token_unknown")
    assert asked("x") == (401, "unauthorized")
    assert asked(family.agent_token, Origin="https://elsewhere.test")[0] == 403
    assert asked(family.agent_token, Host="elsewhere.test")[0] == 403
    family.run.delete(f"/sessions/{family.own}/runs/1/token")
    assert asked(family.agent_token) == (401, "run_token_unknown")


def test_token_of_another_run_reaches_only_its_own_family(
    manager: RunningManager, family: Family, api: Api
) -> None:
    opened = api.post(
        "/sessions", {"session_id": str(uuid4()), "session_name": "o", "lease": {"holder": "h"}}
    )
    with tools_of(manager, opened.json["agent_token"]) as other:
        for name in ("own", "child", "parent", "unknown"):
            for tool in ("get_result", "read_events", "stop_session"):
                assert call(other, tool, session=family.ids[name]).code == "session_not_found"
        assert len(call(other, "list_sessions").value["sessions"]) == 1


@each_row("tool", ["get_result", "wait_sessions"])
def test_success_that_the_agent_has_read_is_no_notice(
    api: Api, family: Family, agent: Api, tool: str
) -> None:
    below = new(str(uuid4()), parent_session_id=family.own, notify=True)
    assert api.post("/sessions", below).status == 201
    child, own = below["session_id"], f"/sessions/{family.own}"
    content = [{"type": "text", "text": "yes"}]
    answer = {"event_type": "message", "role": "assistant", "content": content, "run": 1}
    end = {"event_type": "session_stop", "exit_code": 0, "reason": "completed", "run": 1}
    assert api.post(f"/sessions/{child}/events", [answer, end]).status == 201
    # Its supervisor refuses the notice, so it is not on its way to the agent.
    requests = f"{own}/runs/1/requests"
    told: list[Any] = []
    while not told:
        pending = family.run.get(f"{requests}?state=pending&wait=20").json["requests"]
        told = [each for each in pending if each["kind"] == "notice"]
    refused = {"state": "refused", "detail": "a program"}
    assert family.run.put(f"{requests}/{told[0]['request_id']}", refused).status == 200
    assert api.get(own).json["session"]["undelivered_notices"] == 1
    given = {"session": child} if tool == "get_result" else {"sessions": [child]}
    assert not call(agent, tool, **given).is_error
    assert api.get(own).json["session"]["undelivered_notices"] == 0


@each_row(
    "body, status",
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100 + b"]" * 100, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":"\\u0000"}}', 400),
        (b"[]", 400),
        (b"null", 400),
        (b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', 400),
        (b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', 400),
        (b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}', 202),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', 202),
        (b'"' + b"x" * (5 << 20) + b'"', 413),
    ],
    ids=lambda value: repr(value)[:80],
)
def test_garbage_is_refused_and_serving_continues(agent: Api, body: bytes, status: int) -> None:
    assert agent.call("POST", "/mcp", body).status == status
    assert send(agent, "tools/list").status == 200


@each_row("method, params, code", [("tools/call", {"name": "rm"}, -32602), ("rm", {}, -32601)])
def test_unknown_tool_or_method_is_an_error_of_the_protocol(
    agent: Api, method: str, params: dict[str, Any], code: int
) -> None:
    (answer,) = messages_in(send(agent, method, params))
    assert answer["error"]["code"] == code


@each_row("method", ["GET", "DELETE"])
def test_clients_learn_that_no_mcp_session_is_kept(agent: Api, method: str) -> None:
    answer = agent.call(method, "/mcp")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_client_must_accept_both_kinds_of_answers(agent: Api) -> None:
    agent.headers["Accept"] = "application/json"
    assert send(agent, "tools/list").status == 406
    agent.headers["Accept"] = ACCEPT
    assert send(agent, "tools/list").status == 200


def test_token_is_good_for_calls_after_a_restart(own: RunningManager) -> None:
    with Api(own) as api:
        family = make_family(own, api)
    family.run.close()
    with tools_of(own, family.agent_token) as agent:
        before = call(agent, "list_sessions").value
    own.kill()
    own.restart()
    with tools_of(own, family.agent_token) as agent:
        assert call(agent, "list_sessions").value == before
        stopped = call(agent, "wait_sessions", sessions=[family.ids["child"]], seconds=0)
        assert stopped.value["call_again"] is True


def test_twenty_waits_leave_room_for_other_requests(
    manager: RunningManager, family: Family, api: Api
) -> None:
    child = str(uuid4())
    assert family.run.post("/sessions", new(child)).status == 201

    def wait() -> Called:
        with tools_of(manager, family.agent_token) as agent:
            return call(agent, "wait_sessions", sessions=[child], seconds=45)

    with ThreadPoolExecutor(20) as pool:
        waits = [pool.submit(wait) for _ in range(20)]
        with tools_of(manager, family.agent_token) as agent:
            for _ in range(20):
                assert not call(agent, "read_events", session=child).is_error
        stop = {"event_type": "session_stop", "reason": "completed", "exit_code": 0}
        assert api.post(f"/sessions/{child}/events", stop).status == 201
        assert {waiting.result(WATCHDOG_SECONDS).value["call_again"] for waiting in waits} == {
            False
        }
