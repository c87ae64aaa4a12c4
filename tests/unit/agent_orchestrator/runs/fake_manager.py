"""A fake manager of one session, its answers, and clients of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qs

from agent_orchestrator.client.manager import ManagerClient
from tests.support.recording import Received, RecordingServer, Reply, json_reply, recording
from tests.support.waiting import WATCHDOG_SECONDS

PATIENCE_SECONDS = 20.0
"""Longer than any delivery takes here; a test that uses up this time fails."""
NO_PATIENCE = 1e-9
GENERATION = "01"
SESSION = {
    **{"session_id": "s", "session_name": "s", "status": "running", "run": 1},
    **dict.fromkeys(("project_dir", "agent_name", "executor", "parent_session_id", "archived_at")),
    **dict.fromkeys(("reason", "host", "lease")),
    **dict.fromkeys(("started_at", "last_activity_at"), "2026-11-26T12:00:00Z"),
}
Answer = Callable[[list[int]], Reply | None]
"""Returns the reply to a request with these events."""


class Events:
    """A fake manager of one session: the events that it confirmed, and those that it received."""

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self.requests: list[list[int]] = []
        self.stored: list[int] = []
        self.revoked: list[str] = []
        """Targets of the requests that revoked the tokens of runs."""
        self.generation = GENERATION
        self.looks = 0
        self._answers = list(answers)

    def __call__(self, received: Received) -> Reply | None:
        path, _, query = received.target.partition("?")
        if received.method == "DELETE":
            self.revoked.append(received.target)
            return json_reply({"ok": True})
        if (received.method, path) == ("GET", "/sessions/s"):
            self.looks += 1
            known = {"generation": self.generation, "last_seq": len(self.stored)}
            return json_reply({"ok": True, "session": {**SESSION, **known}})
        assert (received.method, path) == ("POST", "/sessions/s/events")
        generation, seq = parse_qs(query)["known"][0].split(":")
        if generation != self.generation or int(seq) > len(self.stored):
            return refusing(409, "record_behind")([])
        sent = [int(event["event_id"]) for event in json.loads(received.body)]
        self.requests.append(sent)
        if self._answers:
            reply = self._answers.pop(0)(sent)
            if reply is None or reply.status != 201:
                return reply
        return self.store(sent)

    def store(self, sent: list[int]) -> Reply:
        self.stored += [number for number in sent if number not in self.stored]
        return json_reply({"ok": True, "seqs": [self.stored.index(n) + 1 for n in sent]}, 201)


def refusing(status: int, code: str | None) -> Answer:
    body = {"detail": "no", **({"code": code} if code else {})}
    return lambda _sent: json_reply(body, status)


def silent(_sent: list[int]) -> None:
    """Close the connection without an answer."""


def stored(_sent: list[int]) -> Reply:
    return Reply(status=201)


@contextmanager
def sending(answer: Callable[[Received], Reply | None]) -> Iterator[ManagerClient]:
    with recording(answer) as server, client_of(server) as manager:
        yield manager


def client_of(server: RecordingServer) -> ManagerClient:
    return ManagerClient(server.url, timeout=WATCHDOG_SECONDS)
