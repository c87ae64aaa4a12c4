"""A follower whose connections are cut at random positions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from agent_orchestrator.client.follow import follow_session
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.session_client import SessionClientError
from tests.support.campaign import Campaign
from tests.support.manager import RunningManager
from tests.support.proxy import WAYS, Fault, lead_clients_through, misbehaving
from tests.support.waiting import WATCHDOG_SECONDS

pytestmark = pytest.mark.stress

LEAD = 400
"""Number of events that may be written ahead of the reader."""
MAX_BYTES = 20_000
SILENCE_SECONDS = 0.5


def test_follower_gets_each_event_once_despite_cuts(
    campaign: Campaign,
    start_manager: Callable[..., RunningManager],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = campaign.count(short=20, long=1000)

    def fault(number: int) -> Fault | None:
        chance = campaign.chance(number)
        (way,) = chance.choices(WAYS, weights=(4, 2, 4, 1))
        after_bytes = chance.randrange(MAX_BYTES)
        return Fault(after_bytes=after_bytes, way=way) if proxy.faults.total() < count else None

    with misbehaving(fault) as proxy:
        manager = start_manager(arguments=["--allow-host", f"127.0.0.1:{proxy.port}"])
        proxy.to_port = manager.port
        lead_clients_through(proxy, manager, monkeypatch)
        session_id = f"t-{uuid4().hex}"
        lead = threading.Semaphore(LEAD)
        outages: list[SessionClientError] = []
        with ManagerClient(manager.url) as records, ManagerClient(proxy.url) as reader:
            session, *_ = records.create_named_session(session_id, "x", project_dir="/tmp")

            def write() -> None:
                chance = campaign.chance(-1)
                while proxy.faults.total() < count:
                    size = chance.randrange(1, 30)
                    if not all(lead.acquire(timeout=WATCHDOG_SECONDS) for _ in range(size)):
                        break  # the reader has failed
                    event = {"event_type": "x", "text": "ä" * chance.randrange(1000)}
                    records.append_events(session_id, [event] * size)
                records.append_events(session_id, [{"event_type": "session_stop"}])

            writing = threading.Thread(target=write)
            writing.start()
            begun_at = time.monotonic()
            came = []
            try:
                for frame in follow_session(
                    reader, session, on_outage=outages.append, silence_seconds=SILENCE_SECONDS
                ):
                    if frame.name == "event":
                        came.append(frame.content)
                        lead.release()
            finally:
                writing.join(WATCHDOG_SECONDS)
            seconds = time.monotonic() - begun_at
            assert came == list(records.iterate_events(session_id))
        assert [event["seq"] for event in came] == list(range(1, len(came) + 1))
        assert proxy.faults.total() >= count
        ways = ", ".join(f"{number} {way}" for way, number in sorted(proxy.faults.items()))
        campaign.tell(
            f"{count} connections cut ({ways}) in {seconds:.1f} s, seed {campaign.seed!r}"
        )
        campaign.tell(
            f"{len(came)} events: 0 missing, 0 duplicates; {len(outages)} outages reported"
        )
