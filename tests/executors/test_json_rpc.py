"""The connection to a peer that speaks JSON-RPC: order, answers, and everything that is neither.

The peer is a shell that writes prepared lines. At `WAIT`, it reads a line of ours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.machine.processes import Child
from agent_orchestrator.rpc import json_lines
from agent_orchestrator.rpc.json_rpc import (
    Call,
    JsonRpc,
    Notification,
    PeerGoneError,
    RpcError,
)
from tests.support.loops import run
from tests.support.rows import each_row

WAIT = object()
UPDATE = {"jsonrpc": "2.0", "method": "update", "params": {"n": 1}}


def line_of(message: object) -> bytes:
    return message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"


@asynccontextmanager
async def peer(
    tmp_path: Path, *messages: object, then: str = "", has_header: bool = True
) -> AsyncIterator[JsonRpc]:
    """Start a peer that writes the messages, copies our lines to `read`, and ends with `then`."""
    program = []
    for number, message in enumerate(messages):
        if message is WAIT:
            program.append("IFS= read -r line; printf '%s\\n' \"$line\" >> read")
        else:
            (tmp_path / f"{number}").write_bytes(line_of(message))
            program.append(f"cat {number}")
    child = await Child.start(
        ["sh", "-c", "\n".join([*program, then])],
        environment={"PATH": "/usr/bin:/bin"},
        directory=tmp_path,
    )
    try:
        yield JsonRpc(child, has_header=has_header)
    finally:
        await child.stop()
        child.close()


def received(tmp_path: Path) -> list[Any]:
    return [json.loads(line) for line in (tmp_path / "read").read_text().splitlines()]


async def talk(rpc: JsonRpc, work: Callable[[], Awaitable[Any]]) -> tuple[list[Any], Any]:
    """Do `work` while the messages are read; return both the messages and its result."""
    working = asyncio.ensure_future(work())
    messages = [message async for message in rpc.messages()]
    return messages, (await asyncio.gather(working, return_exceptions=True))[0]


def test_request_returns_its_result(tmp_path: Path) -> None:
    async def act() -> Any:
        async with peer(tmp_path, WAIT, {"id": 1, "result": {"b": 2}}) as rpc:
            return await talk(rpc, lambda: rpc.request("do", {"a": "é\ud800"}))

    assert run(act()) == ([], {"b": 2})
    sent = {"jsonrpc": "2.0", "id": 1, "method": "do", "params": {"a": "é\ufffd"}}
    assert received(tmp_path) == [sent]


def test_peer_without_a_header_gets_none(tmp_path: Path) -> None:
    async def act() -> Any:
        async with peer(tmp_path, WAIT, {"id": 1, "result": None}, has_header=False) as rpc:
            return await talk(rpc, lambda: rpc.request("do", {}))

    assert run(act()) == ([], None)
    assert received(tmp_path) == [{"id": 1, "method": "do", "params": {}}]


@each_row(
    "error, expected",
    [
        ({"code": 7, "message": "no"}, (7, "no")),
        ("no", (0, '"no"')),
        ({"code": "x"}, (0, '{"code": "x"}')),
    ],
)
def test_refused_request_raises_the_error_of_the_peer(
    error: object, expected: tuple[int, str], tmp_path: Path
) -> None:
    async def act() -> Any:
        async with peer(tmp_path, WAIT, {"id": 1, "error": error}) as rpc:
            return await talk(rpc, lambda: rpc.request("do", {}))

    _, raised = run(act())
    assert isinstance(raised, RpcError)
    assert (raised.code, raised.message) == expected


def test_waiter_of_an_answer_continues_before_the_next_message(tmp_path: Path) -> None:
    """All lines arrive at once, so only the order of handling them can separate them."""
    order: list[object] = []
    together = [UPDATE, {"id": 1, "result": "answer"}, UPDATE | {"params": {"n": 2}}]

    async def act() -> None:
        async with peer(tmp_path, WAIT, b"".join(map(line_of, together))) as rpc:

            async def ask() -> None:
                order.append(await rpc.request("do", {}))

            asking = asyncio.create_task(ask())
            async for message in rpc.messages():
                assert isinstance(message, Notification)
                order.append(message.params["n"])
            await asking

    run(act())
    assert order == [1, "answer", 2]


def test_calls_of_the_peer_are_answered_by_their_id(tmp_path: Path) -> None:
    calls = [{"id": "a", "method": "ask", "params": {"x": 1}}, {"id": 1, "method": "odd/unknown"}]

    async def act() -> list[Any]:
        async with peer(tmp_path, *calls, WAIT, WAIT) as rpc:
            found = []
            async for message in rpc.messages():
                assert isinstance(message, Call)
                found.append(message)
                if message.method == "ask":
                    await rpc.answer(message, {"ok": True})
                else:
                    await rpc.refuse(message)
            return found

    assert run(act()) == [Call("a", "ask", {"x": 1}), Call(1, "odd/unknown", {})]
    answer, refusal = received(tmp_path)
    assert answer == {"jsonrpc": "2.0", "id": "a", "result": {"ok": True}}
    assert (refusal["id"], refusal["error"]["code"]) == (1, -32601)


@each_row(
    "odd",
    {
        "no JSON": b"hello\n",
        "half of a message": b'{"method": "upd\n',
        "not UTF-8": b"\xff\xfe\n",
        "a list": [UPDATE],
        "a number": 1,
        "a number of 5,000 digits": b"9" * 5000 + b"\n",
        "a method that is no text": {"method": 1},
        "an answer to nothing": {"id": 99, "result": 1},
        "an answer to the same request again": {"id": 1, "result": 2},
        "an answer under a text": {"id": "1", "result": 2},
        "an answer without a result": {"id": 1},
    }.values(),
)
def test_what_is_no_message_becomes_a_note(odd: object, tmp_path: Path) -> None:
    answer = {"id": 1, "result": "answer"}

    async def act() -> tuple[Any, str]:
        async with peer(tmp_path, WAIT, answer, odd, b"\n  \n", UPDATE) as rpc:
            return await talk(rpc, lambda: rpc.request("do", {})), rpc.notes.text()

    (messages, result), notes = run(act())
    assert (messages, result) == ([Notification("update", {"n": 1})], "answer")
    assert notes.strip() == line_of(odd).decode(errors="replace").strip()


def test_flood_of_notes_keeps_its_two_ends(tmp_path: Path) -> None:
    async def act() -> str:
        async with peer(tmp_path, b"first\n" + b"x\n" * 50_000 + b"last\n") as rpc:
            assert [message async for message in rpc.messages()] == []
            return rpc.notes.text()

    notes = run(act())
    assert notes.startswith("first\n") and notes.endswith("last\n")
    assert "characters omitted" in notes


def test_params_that_are_no_object_are_empty(tmp_path: Path) -> None:
    async def act() -> Any:
        async with peer(tmp_path, UPDATE | {"params": [1]}, UPDATE | {"params": None}) as rpc:
            return [message async for message in rpc.messages()]

    assert run(act()) == [Notification("update", {})] * 2


def test_long_message_keeps_its_structure(tmp_path: Path) -> None:
    text = "x" * 3 * json_lines.SHORT_BYTES
    long = {"method": "update", "params": {"text": text, "after": {"n": [1, 2]}}}

    async def act() -> Any:
        async with peer(tmp_path, long, UPDATE) as rpc:
            return [message async for message in rpc.messages()]

    first, second = run(act())
    assert first.params["after"] == {"n": [1, 2]}
    assert first.params["text"].characters == len(text)
    assert second == Notification("update", {"n": 1})


def test_deep_message_is_read(tmp_path: Path) -> None:
    deep = b'{"method": "update", "params": {"n": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}\n"

    async def act() -> Any:
        async with peer(tmp_path, deep) as rpc:
            return [message async for message in rpc.messages()]

    (message,) = run(act())
    assert message.method == "update"


def test_endless_line_ends_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 100_000)

    async def act() -> Any:
        endless = "while :; do printf %01000d 1; done"
        async with peer(tmp_path, WAIT, then=endless) as rpc:
            asking = asyncio.create_task(rpc.request("do", {}))
            with pytest.raises(PeerGoneError, match="a line of more than 100,000 bytes"):
                async for _ in rpc.messages():
                    pass
            return (await asyncio.gather(asking, return_exceptions=True))[0]

    assert isinstance(run(act()), PeerGoneError)


@each_row(
    "then",
    {
        "ends": "exit 0",
        "fails": "exit 3",
        "is killed": "kill -9 $$",
        "closes its output": "exec >&-; IFS= read -r line; sleep 600",
    }.values(),
)
def test_request_fails_if_its_peer(then: str, tmp_path: Path) -> None:
    async def act() -> Any:
        async with peer(tmp_path, UPDATE, WAIT, then=then) as rpc:
            messages, first = await talk(rpc, lambda: rpc.request("do", {}))
            assert messages == [Notification("update", {"n": 1})]
            later = await asyncio.gather(
                rpc.request("more", {}), rpc.notify("more"), return_exceptions=True
            )
            return [first, *later]

    assert [type(error) for error in run(act())] == [PeerGoneError] * 3


def test_peer_that_has_closed_its_input_is_gone(tmp_path: Path) -> None:
    async def act() -> None:
        async with peer(
            tmp_path, then='exec <&-; printf \'{"method": "closed"}\\n\'; sleep 600'
        ) as rpc:
            async for message in rpc.messages():
                assert message == Notification("closed", {})
                await rpc.answer(Call(1, "ask", {}), {})  # no error: it needs no answer now
                with pytest.raises(PeerGoneError, match="closed its input"):
                    while True:
                        await rpc.notify("more", {"text": "x" * 100_000})
                break

    run(act())


def test_cancelled_request_leaves_the_others_waiting(tmp_path: Path) -> None:
    answers = [{"id": 1, "result": "late"}, {"id": 2, "result": "second"}]

    async def act() -> Any:
        async with peer(tmp_path, WAIT, WAIT, *answers) as rpc:
            first = asyncio.create_task(rpc.request("first", {}))
            await asyncio.sleep(0)
            second = asyncio.create_task(rpc.request("second", {}))
            await asyncio.sleep(0)
            first.cancel()
            messages = [message async for message in rpc.messages()]
            return messages, await second, rpc.notes.text()

    messages, second, notes = run(act())
    assert (messages, second) == ([], "second")
    assert json.loads(notes) == answers[0]
