"""Malformed requests from many threads: no internal error, no hang, no leak."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated

import orjson
import pytest
import uvicorn
from fastapi import Body, FastAPI, Request

from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.documented import documented_codes
from tests.support.hostile_exchange import answers_in, play
from tests.support.hostile_requests import Aim, Hostile, draw
from tests.support.manager import RunningManager
from tests.support.memory import resident_megabytes
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

THREADS = 8
MAX_GROWTH_MEGABYTES = 20
SENT = 800
"""Requests to an application without our layers."""
OF_A_HANDSHAKE = b"Failed to open a WebSocket connection"
"""The WebSocket library responds to an invalid handshake with this text."""


@dataclass
class Seen:
    """Responses received by one thread; `wrong` has each violation with its request."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, Hostile]] = field(default_factory=list)
    slowest_seconds: float = 0.0

    def add(self, other: Seen) -> None:
        self.statuses += other.statuses
        self.codes += other.codes
        self.wrong += other.wrong
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)


def judge(seen: Seen, hostile: Hostile, came: bytes, problem: str) -> None:
    answers = list(answers_in(came, to_head=hostile.sent.startswith(b"HEAD")))
    statuses = tuple(status for status, _, _ in answers)
    seen.statuses.update(statuses)
    if problem:
        seen.wrong.append((problem, hostile))
    if any(status >= 500 for status in statuses):
        seen.wrong.append((f"answered {statuses}", hostile))
    if hostile.statuses and statuses != hostile.statuses:
        seen.wrong.append((f"answered {statuses} and not {hostile.statuses}", hostile))
    for status, headers, body in answers:
        if status >= 400 and body:
            code = code_of(headers, body)
            seen.codes[code] += 1
            if code not in documented_codes() and not body.startswith(OF_A_HANDSHAKE):
                seen.wrong.append((f"{status} with {code!r}: {body[:200]!r}", hostile))


def code_of(headers: bytes, body: bytes) -> str:
    """Return the error code, or `not JSON`."""
    if b"application/json" not in headers:
        return "not JSON"
    return str(orjson.loads(body).get("code"))


def attack(aim: Aim, campaign: Campaign, count: int) -> Seen:
    """Send `count` random requests from several threads; return all that they saw."""

    def one_thread(number: int) -> Seen:
        chance = campaign.chance(number)
        seen = Seen()
        for _ in range(count // THREADS):
            hostile = draw(aim, chance)
            began = time.monotonic()
            judge(seen, hostile, *play(aim.port, hostile))
            seen.slowest_seconds = max(seen.slowest_seconds, time.monotonic() - began)
        return seen

    total = Seen()
    for seen in campaign.rounds(one_thread, THREADS, at_once=THREADS):
        total.add(seen)
    return total


def keep_wrong(campaign: Campaign, seen: Seen) -> list[str]:
    """Write the violating requests to the campaign's directory; describe the first ten."""
    for number, (problem, hostile) in enumerate(seen.wrong[:100]):
        (campaign.directory / f"wrong-{number}").write_bytes(hostile.sent + problem.encode())
    return [
        f"{problem} to {hostile.kind}: {hostile.sent[:300]!r}"
        for problem, hostile in seen.wrong[:10]
    ]


def test_malformed_requests_cause_no_internal_error(campaign: Campaign) -> None:
    count = campaign.count(short=600, long=200_000)
    manager = RunningManager(campaign.directory / "manager")
    try:
        aim = Aim(port=manager.port, token=manager.token, session_id="own", victim_id="victim")
        with Api(manager) as api:
            for session_id in (aim.session_id, aim.victim_id):
                api.post("/sessions", {"session_id": session_id, "session_name": session_id})
            first = attack(aim, campaign, count // 10)
            before = resident_megabytes(manager.pid)
            seen = attack(aim, campaign, count)
            grown = resident_megabytes(manager.pid) - before
            assert keep_wrong(campaign, first) + keep_wrong(campaign, seen) == []
            assert manager.process.poll() is None
        with Api(manager) as api:  # the server has closed the idle first connection
            assert api.get(f"/sessions/{aim.victim_id}").status == 200
        log = manager.log()
        assert ('"trace": ' in log, "defect" in log) == (False, False), log[-4000:]
    finally:
        manager.stop()
    statuses = ", ".join(
        f"{number} times {status}" for status, number in sorted(seen.statuses.items())
    )
    campaign.tell(f"{count} requests from {THREADS} threads: {statuses}")
    campaign.tell(f"the slowest took {seen.slowest_seconds:.2f} s; memory {grown:+.1f} MB")
    assert {200, 201, 400, 404, 405, 422} <= set(seen.statuses)
    assert grown <= MAX_GROWTH_MEGABYTES


def unguarded() -> FastAPI:
    """Build a plain framework application, with a typed and an untyped body."""
    app = FastAPI()

    @app.post("/sessions")
    def create_session(
        session_name: Annotated[str, Body()], spec: Annotated[dict[str, object], Body()]
    ) -> dict[str, object]:
        return {"session_name": session_name, "spec": spec}

    @app.post("/sessions/{session_id}/events")
    async def append_events(session_id: str, request: Request) -> object:
        return await request.json()

    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """Serve from a thread, and yield the port."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, "the application serves")
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WATCHDOG_SECONDS)


def test_same_requests_find_defects_without_our_layers(campaign: Campaign) -> None:
    """Use a fixed seed: random requests find about ten defects, but could find none."""
    with serving(unguarded()) as port:
        aim = Aim(port=port, token="x", session_id="own", victim_id="victim")
        seen = attack(aim, replace(campaign, seed="some that find defects"), SENT)
    defects = sum(number for status, number in seen.statuses.items() if status >= 500)
    campaign.tell(f"without our layers: {defects} of {SENT} requests got an internal error")
    assert defects > 0
