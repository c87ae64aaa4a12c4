"""The load of many agents over a long day: sessions that receive events in batches."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.producing import GONE, PAUSE_SECONDS

BATCH_EVENTS = 10


class Day:
    """Threads that share the sessions and write a given number of batches in total.

    A batch that was not acknowledged is sent again unchanged over a new connection. Some
    connections are closed on purpose. When `wait` returns, all batches are acknowledged.
    """

    def __init__(self, manager: RunningManager, ids: Sequence[str], *, threads: int) -> None:
        self.latencies: list[float] = []
        """Response times of batches that were acknowledged at the first try."""
        self.batches = dict.fromkeys(ids, 0)
        self.reconnects = 0
        self.failures: list[BaseException] = []
        self._manager = manager
        self._threads = threads

    @property
    def acknowledged(self) -> int:
        return sum(self.batches.values())

    def start(self, batches: int, *, reconnects: int) -> None:
        """Start to write `batches` batches, and close about `reconnects` connections on purpose."""
        ids = list(self.batches)
        shares = [ids[number :: self._threads] for number in range(self._threads)]
        each = -(-batches // self._threads)
        every = max(1, batches // reconnects)
        self._running = [
            threading.Thread(target=self._work, args=(share, each, every)) for share in shares
        ]
        for thread in self._running:
            thread.start()

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._running)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until all is written, or for `seconds`; raise the first error of a thread."""
        for thread in self._running:
            thread.join(seconds)
        if self.failures:
            raise self.failures[0]

    def _work(self, ids: Sequence[str], batches: int, reconnect_every: int) -> None:
        try:
            chance = random.Random(ids[0])
            api = Api(self._manager)
            for _ in range(batches):
                session_id = chance.choice(ids)
                if chance.randrange(reconnect_every) == 0:
                    self.reconnects += 1
                    api.close()
                    api = Api(self._manager)
                api = self._deliver(api, session_id, self.batches[session_id] + 1)
                self.batches[session_id] += 1
            api.close()
        except BaseException as exc:
            self.failures.append(exc)

    def _deliver(self, api: Api, session_id: str, batch: int) -> Api:
        """Send until it is acknowledged; return the connection that was used last."""
        target, body = f"/sessions/{session_id}/events", _body(batch)
        tries = 0
        while True:
            tries += 1
            began_at = time.monotonic()
            with suppress(*GONE):
                answer = api.call("POST", target, body)
                if answer.status == 201:
                    if tries == 1:
                        self.latencies.append(time.monotonic() - began_at)
                    return api
                assert answer.status == 503, answer
            api.close()
            time.sleep(PAUSE_SECONDS)
            api = Api(self._manager)


def _body(batch: int) -> bytes:
    text = "x" * 120
    return json.dumps(
        [
            {"event_type": "some", "event_id": f"{batch}-{each}", "text": text}
            for each in range(BATCH_EVENTS)
        ]
    ).encode()
