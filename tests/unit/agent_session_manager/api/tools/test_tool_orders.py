"""Orders of an agent: each session is started once, whatever is repeated or fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_session_manager.api.tools import orders
from agent_session_manager.api.tools.call import ToolError
from agent_session_manager.domain.sessions.request import RequestState
from agent_session_manager.store.changes import OpenRun
from tests.support.led_family import Lead, leading
from tests.support.loops import run
from tests.support.rows import each_row

SECRET = "ghp_" + "a1B2" * 9
START = {"name": "lead-a", "prompt": "Do it."}


async def code_of(lead: Lead, tool: str, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        await lead.call(tool, **arguments)
    assert str(caught.value)
    return caught.value.code


def test_start_is_one_request_and_one_session(tmp_path: Path) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            calls = [asyncio.create_task(lead.call("start_session", **START)) for _ in range(5)]
            order = await lead.carry_out()
            answers = [await call for call in calls]
            assert {answer["session_id"] for answer in answers} == {order.payload["session_id"]}
            assert [each.request_id for each in await lead.requests()] == [order.request_id]
            again = await lead.call("start_session", **START)
            assert (again["session_id"], again["is_new"]) == (order.payload["session_id"], False)
            other = {**START, "prompt": "Do something else."}
            assert await code_of(lead, "start_session", **other) == "name_taken"
            assert len(await lead.requests()) == 1

    run(act())


def test_other_prompt_is_refused_while_the_start_is_pending(tmp_path: Path) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            first = asyncio.create_task(lead.call("start_session", **START))
            await lead.next_order()
            assert await code_of(lead, "start_session", name="lead-a", prompt="x") == "name_taken"
            await lead.carry_out()
            assert (await first)["is_new"]

    run(act())


@each_row(
    "detail, code",
    [
        ("name_taken: another session of the project is named 'lead-a'", "name_taken"),
        ("not_started: there is no agent 'x'", "not_started"),
        ("no code at all", "not_started"),
    ],
)
def test_refused_start_can_be_tried_again(tmp_path: Path, detail: str, code: str) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            first = asyncio.create_task(code_of(lead, "start_session", **START))
            refused = await lead.refuse(detail)
            assert await first == code
            second = asyncio.create_task(lead.call("start_session", **START))
            order = await lead.carry_out()
            assert order.request_id != refused.request_id
            assert (await second)["session_id"] == order.payload["session_id"]

    run(act())


def test_slow_supervisor_gets_the_same_request_at_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            with monkeypatch.context() as patched:
                patched.setattr(orders, "SETTLE_SECONDS", 0.0)
                waiting = await lead.call("start_session", **START)
            assert waiting == {"name": "lead-a", "state": "starting", "call_again": True}
            order = await lead.next_order()
            await lead.settle(order, "acknowledged")
            call = asyncio.create_task(lead.call("start_session", **START))
            assert (await lead.carry_out()).request_id == order.request_id
            assert (await call)["session_id"] == order.payload["session_id"]

    run(act())


def test_end_of_the_own_run_ends_the_orders(tmp_path: Path) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            child = await lead.create("child")
            await lead.end(child, "done")
            secret = {**START, "prompt": f"Use {SECRET}."}
            call = asyncio.create_task(code_of(lead, "start_session", **secret))
            await lead.next_order()
            await lead.end(lead.caller.session_id, run=1)
            assert await call == "run_ended"
            assert await code_of(lead, "start_session", **START) == "run_ended"
            assert await code_of(lead, "resume_session", session="child", text="x") == "run_ended"
            (request,) = await lead.requests()
            assert request.state is RequestState.EXPIRED
            assert request.payload["prompt"] == "Use [masked: github-token]."

    run(act())


def test_dead_supervisor_is_an_error_once_the_run_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            with monkeypatch.context() as patched:
                patched.setattr(orders, "SETTLE_SECONDS", 0.0)
                assert (await lead.call("start_session", **START))["call_again"]
            call = asyncio.create_task(code_of(lead, "start_session", **START))
            await lead.next_order()
            await lead.manager.extend_leases(timedelta(seconds=-1000))
            assert await lead.manager.reap_leases() == [lead.caller.session_id]
            assert await call == "run_ended"
            assert await code_of(lead, "start_session", **START) == "run_ended"

    run(act())


def test_secret_in_a_prompt_is_masked_once_the_order_is_settled(tmp_path: Path) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            call = asyncio.create_task(
                lead.call("start_session", name="lead-a", prompt=f"Use {SECRET}.")
            )
            assert SECRET in (await lead.next_order()).payload["prompt"]
            await lead.carry_out()
            await call
            (request,) = await lead.requests()
            assert "[masked: github-token]" in request.payload["prompt"]
            again = await lead.call("start_session", name="lead-a", prompt=f"Use {SECRET}.")
            assert again["is_new"] is False

    run(act())


def test_resume_is_one_run_and_says_what_runs_already(tmp_path: Path) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            child = await lead.create("child")
            more = {"session": "child", "text": "And now the rest."}
            assert await code_of(lead, "resume_session", **more) == "session_running"
            await lead.end(child, "one")
            calls = [asyncio.create_task(lead.call("resume_session", **more)) for _ in range(3)]
            await lead.carry_out()
            assert [(await call)["run"] for call in calls] == [2, 2, 2]
            assert (await lead.call("resume_session", **more))["is_new"] is False
            await lead.end(child, "two", run=2)
            after = await lead.call("resume_session", **more, after_run=1)
            assert (after["run"], after["is_new"]) == (2, False)
            wrong = {**more, "text": "Other.", "after_run": 1}
            assert await code_of(lead, "resume_session", **wrong) == "not_newest_run"
            third = asyncio.create_task(lead.call("resume_session", **more))
            await lead.carry_out()
            assert (await third)["run"] == 3

    run(act())


def test_session_resumed_by_a_person_is_not_resumed_twice(tmp_path: Path) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            child = await lead.create("child")
            await lead.end(child)
            await lead.manager.open_run(OpenRun(session_id=child))
            more = {"session": child, "text": "And now the rest.", "after_run": 1}
            assert await code_of(lead, "resume_session", **more) == "not_newest_run"
            assert await lead.requests() == []

    run(act())


@each_row("tool", ["resume_session", "send_message", "stop_session"])
def test_lead_orders_only_sessions_below_its_own(tmp_path: Path, tool: str) -> None:
    async def act() -> None:
        async with leading(tmp_path) as lead:
            stranger = await lead.create("stranger", parent=str("x" * 8))
            text = {} if tool == "stop_session" else {"text": "x"}
            own = lead.caller.session_id
            for argument, code in (
                (own, "own_session"),
                ("lead", "own_session"),
                (stranger, "session_not_found"),
                ("stranger", "session_not_found"),
                ("no-such", "session_not_found"),
            ):
                assert await code_of(lead, tool, session=argument, **text) == code
            for session_id in (own, stranger):
                assert await lead.requests(session_id) == []

    run(act())
