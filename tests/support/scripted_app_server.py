"""Play the app-server of Codex, oddities included: the prompt is the script, a JSON list of acts.

An act is a list: its name and its arguments.

    send METHOD PARAMS   a notification; `THREAD` and `TURN` stand for their ids
    ask METHOD PARAMS    a request; the next act waits for its answer and echoes it as a message
    call ID NAME INPUT   a tool call in the rollout; `output ID TEXT` ends it
    say TEXT             an answer of the model in the rollout
    raw TEXT             a line that can be anything
    big BYTES            a notification with a text of this size
    flood COUNT          notifications of an unknown kind
    wait METHOD          wait for a request of this method, and answer it with {}
    pause SECONDS        a pause, so that a kill can hit any moment
    end STATUS ERROR     the end of the turn
    exit CODE, kill NUMBER, close, hang

It notes its arguments, its run token and all that it reads in `received.jsonl`. `CONFIGURED` has
its own MCP servers as JSON, and each server of a thread is ready at once.

It needs no module of the project, and starts quickly with `-I -S`.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

THREAD = "01a220d2-ae00-75d2-bb92-31acef85f70d"
TURN = "01a220d2-ae1c-7de0-a9ae-6020904ed2e5"
ROLLOUT = Path(os.environ["CODEX_HOME"], "rollout.jsonl")
RECEIVED = ROLLOUT.with_name("received.jsonl")
STUBBORN = "stubborn" in os.environ.get("ODDITIES", "")

numbers = iter(range(1, 1_000_000))


def tell(message: object) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def note(message: object) -> None:
    with RECEIVED.open("a") as file:
        file.write(json.dumps(message) + "\n")


def record(kind: str, payload: object) -> None:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    with ROLLOUT.open("a") as file:
        file.write(json.dumps({"timestamp": moment, "type": kind, "payload": payload}) + "\n")


def receive(method: str = "") -> "dict[str, object]":
    """Return the next message, or the next request of a method; others are answered with {}."""
    for line in sys.stdin:
        message: dict[str, object] = json.loads(line)
        note(message)
        if not method or message.get("method") == method:
            return message
        if "method" in message and "id" in message:
            tell({"id": message["id"], "result": {}})
    if STUBBORN:
        hang()
    sys.exit(0)


def hang() -> None:
    while True:
        signal.pause()


def filled(value: object) -> object:
    text = json.dumps(value).replace('"THREAD"', f'"{THREAD}"').replace('"TURN"', f'"{TURN}"')
    found: object = json.loads(text)
    return found


def send(method: str, params: object) -> None:
    tell({"method": method, "params": filled(params)})


def ask(method: str, params: object) -> None:
    number = f"ask-{next(numbers)}"
    tell({"method": method, "id": number, "params": filled(params)})
    while True:
        message = receive()
        if "method" not in message and message.get("id") == number:
            break
        if "method" in message and "id" in message:
            tell({"id": message["id"], "result": {}})
    say(json.dumps(message.get("result") or message.get("error")))


def call(call_id: str, name: str, value: object) -> None:
    item = {"type": "function_call", "call_id": call_id, "name": name}
    record("response_item", {**item, "arguments": json.dumps(value)})


def output(call_id: str, text: str) -> None:
    item = {"type": "function_call_output", "call_id": call_id, "output": text}
    record("response_item", item)


def say(text: str) -> None:
    content = [{"type": "output_text", "text": text}]
    record("response_item", {"type": "message", "role": "assistant", "content": content})


def raw(text: str) -> None:
    os.write(1, text.encode("utf-8", "surrogateescape") + b"\n")


def big(size: int) -> None:
    os.write(1, b'{"method":"novelty/big","params":{"text":"')
    for at in range(0, size, 1 << 20):
        os.write(1, b"x" * min(1 << 20, size - at))
    os.write(1, b'"}}\n')


def flood(count: int) -> None:
    for number in range(count):
        tell({"method": "item/agentMessage/delta", "params": {"delta": str(number)}})


def pause(seconds: float) -> None:
    time.sleep(seconds)


def wait(method: str) -> None:
    tell({"id": receive(method)["id"], "result": {}})


def end(status: str, error: object) -> None:
    turn = {"id": TURN, "status": status, "error": error}
    tell({"method": "turn/completed", "params": {"threadId": THREAD, "turn": turn}})


ACTS: "dict[str, Callable[..., object]]" = {
    **{
        each.__name__: each
        for each in (send, ask, call, output, say, raw, big, flood, wait, pause, end)
    },
    "exit": sys.exit,
    "kill": lambda number: os.kill(os.getpid(), number),
    "close": lambda: os.close(1),
    "hang": hang,
}


def play(acts: object) -> None:
    for name, *given in acts:  # type: ignore[attr-defined]  # parsed JSON
        ACTS[name](*given)


def start_servers(params: object) -> None:
    match params:
        case {"config": {"mcp_servers": dict(servers)}}:
            for name, server in servers.items():
                if server.get("enabled") is not False:
                    send("mcpServer/startupStatus/updated", {"name": name, "status": "ready"})


def main() -> None:
    note({"arguments": sys.argv, "token": os.environ.get("AGENT_ORCHESTRATOR_RUN_TOKEN")})
    if STUBBORN:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if at_start := os.environ.get("AT_START"):
        play(json.loads(at_start))
    while True:
        message = receive()
        match message:
            case {"method": "initialized"}:
                continue
            case {"method": "config/read", "id": number}:
                configured = json.loads(os.environ.get("CONFIGURED", "{}"))
                tell({"id": number, "result": {"config": {"mcp_servers": configured}}})
            case {"method": "thread/start" | "thread/resume" | "thread/fork", "id": number}:
                record("session_meta", {"id": THREAD, "model_provider": "scripted"})
                thread = {"id": THREAD, "path": str(ROLLOUT)}
                tell({"id": number, "result": {"thread": thread}})
                start_servers(message["params"])
            case {"method": "turn/start", "id": number, "params": {"input": [{"text": text}]}}:
                tell({"id": number, "result": {"turn": {"id": TURN}}})
                turn = {"id": TURN, "status": "inProgress"}
                tell({"method": "turn/started", "params": {"threadId": THREAD, "turn": turn}})
                record("turn_context", {"turn_id": TURN, "model": "scripted"})
                play(json.loads(text))
            case {"method": _, "id": number}:
                tell({"id": number, "result": {}})


main()
