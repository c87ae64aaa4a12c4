"""A process that records events and delivers them, as a supervisor does, until it is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.delivery import delivery_of
from tests.support.forking import live_in

PAUSE_SECONDS = 0.005


def write_outbox(
    said: Connection, environment: Mapping[str, str], path: Path, run: Run, life: int
) -> None:
    """Send `ready`, and add events until a message arrives; then deliver them all and return.

    The journal next to the outbox has a line for each event that was added to the outbox.
    """
    live_in(environment)
    ending = threading.Event()

    def listen() -> None:
        said.recv()
        ending.set()

    with (
        ManagerClient(run.url) as manager,
        Outbox(path, run) as outbox,
        path.with_suffix(".journal").open("a", buffering=1) as written,
    ):
        delivery = delivery_of(manager, outbox)
        delivery.start()
        said.send("ready")
        threading.Thread(target=listen, daemon=True).start()
        for number in count(1):
            if ending.is_set():
                break
            event_id = f"{life}-{number}"
            outbox.add({"event_type": "x", "event_id": event_id})
            written.write(f"{event_id}\n")
            time.sleep(PAUSE_SECONDS)  # an agent produces events at intervals
        delivery.finish()
