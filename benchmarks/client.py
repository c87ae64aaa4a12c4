"""`SessionClient.add_event` compared with a bare pooled httpx.Client, in one process.

This is a separate process, so that the client finds its manager through the environment as usual.
It reads the job as JSON from stdin, and writes a line with both rates per round to stdout.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from agent_orchestrator.session_client import SessionClient
from benchmarks.workload import dump, event, session_ids

_T = TypeVar("_T")
SESSION_ID = session_ids(0)[0]


def _rate(send: Callable[[_T], None], given: list[_T]) -> float:
    started = time.perf_counter()
    for one in given:
        send(one)
    return len(given) / (time.perf_counter() - started)


def main() -> None:
    job = json.loads(sys.stdin.read())
    url = f"{job['url']}/sessions/{SESSION_ID}/events"
    headers = {"Authorization": f"Bearer {job['token']}", "Content-Type": "application/json"}
    with (
        SessionClient(job["url"]) as client,
        httpx.Client(headers=headers, trust_env=False, verify=False) as bare,
    ):

        def add(fields: dict[str, Any]) -> None:
            client.add_event(SESSION_ID, fields)

        def post(body: bytes) -> None:
            bare.post(url, content=body).raise_for_status()

        for _ in range(job["rounds"] + 1):
            events = [event(SESSION_ID) for _ in range(job["events"])]
            bodies = [dump(event(SESSION_ID)) for _ in range(job["events"])]
            ours = _rate(add, events)
            limit = _rate(post, bodies)
            print(json.dumps([ours, limit]), flush=True)


if __name__ == "__main__":
    main()
