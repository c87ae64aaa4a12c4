"""The manager, with or without its guard, with a log of each response.

As a program: `recorded.py FILE on|off`, followed by the arguments of `agent-session-manager`. Each
line of the file is a response: its kind, path and status; 101 for an accepted WebSocket.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_session_manager import serve
from agent_session_manager.api.app import guarded
from agent_session_manager.cli.main import main
from tests.support.replacing import replace_in
from tests.support.unguarded import without_guard

STATUS_OF_A_SOCKET = {"websocket.accept": 101, "websocket.close": 403}


def program(record: Path, *, with_guard: bool) -> tuple[str, ...]:
    return (sys.executable, "-m", __name__, str(record), "on" if with_guard else "off")


def answers(record: Path) -> list[dict[str, Any]]:
    lines = record.read_text().splitlines() if record.exists() else []
    return [json.loads(line) for line in lines]


class Recorder:
    """ASGI middleware that logs the status of each response."""

    def __init__(self, app: ASGIApp, record: Path) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def send_recorded(message: Message) -> None:
            nonlocal is_answered
            status = message.get("status", STATUS_OF_A_SOCKET.get(message["type"]))
            if status is not None and not is_answered:
                is_answered = True
                self._write(scope, status)
            await send(message)

        await self._app(scope, receive, send_recorded)

    def _write(self, scope: Scope, status: int) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = {
            "kind": scope["type"],
            "method": scope.get("method"),
            "path": scope["path"],
            "status": status,
            "headers": headers,
        }
        with self._record.open("a") as file:
            file.write(json.dumps(answer) + "\n")


def run() -> None:
    record, guard, *arguments = sys.argv[1:]
    build: Callable[..., ASGIApp] = guarded if guard == "on" else without_guard

    def build_recorded(app: Any, **rules: Any) -> ASGIApp:
        return Recorder(build(app, **rules), Path(record))

    replace_in(serve, guarded=build_recorded)
    sys.argv = ["agent-session-manager", *arguments]
    main()


if __name__ == "__main__":
    run()
