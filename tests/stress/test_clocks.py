"""A manager whose clock is set forward and back during live runs: only silent runs are lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from agent_session_manager.sql.care.verify import verify
from agent_shared.manager_settings import MIN_LEASE_SECONDS
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.load import stored_events
from tests.support.manager import RunningManager
from tests.support.producing import GONE
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

DAY_SECONDS = 24 * 3600.0
STEPS = (-3 * DAY_SECONDS, 3 * DAY_SECONDS, -3600.0, 0.0)
LEASE_SECONDS = MIN_LEASE_SECONDS
CLAIM_EVERY_SECONDS = 0.4
AT_A_TIME_SECONDS = LEASE_SECONDS / 3
"""Time that passes for the manager between two renewals of every lease, as for supervisors."""
HOLDERS = 4


def hold(
    manager: RunningManager, session_id: str, ending: threading.Event, renewed: Counter[str]
) -> None:
    """Act as a live supervisor: renew the lease and append events at intervals."""
    while not ending.wait(CLAIM_EVERY_SECONDS):
        try:
            with Api(manager) as api:
                lease = {"holder": session_id}
                api.put(f"/sessions/{session_id}/runs/1/lease", lease)
                api.post(f"/sessions/{session_id}/events", {"event_type": "x"})
                renewed[session_id] += 1
        except GONE:
            pass


@contextmanager
def holders(manager: RunningManager, ids: list[str]) -> Iterator[Counter[str]]:
    """Hold these runs; yield the number of renewals of each, which grows."""
    ending = threading.Event()
    renewed: Counter[str] = Counter()
    threads = [threading.Thread(target=hold, args=(manager, each, ending, renewed)) for each in ids]
    for thread in threads:
        thread.start()
    try:
        yield renewed
    finally:
        ending.set()
        for thread in threads:
            thread.join(WATCHDOG_SECONDS)


def let_a_lease_pass(manager: RunningManager, ids: list[str], renewed: Counter[str]) -> None:
    """Let more than a lease pass for the manager, in parts, and each run be renewed after each."""
    for _ in range(4):
        manager.time.let_pass(AT_A_TIME_SECONDS)
        await_renewals(ids, renewed)


def await_renewals(ids: list[str], renewed: Counter[str]) -> None:
    """Wait until each run is renewed by a request that begins now or later."""
    before = renewed.copy()
    wait_for(  # the first renewal may have begun earlier
        lambda: all(renewed[each] >= before[each] + 2 for each in ids), "the runs are renewed"
    )


def test_clock_change_loses_no_run_and_keeps_order_of_times(campaign: Campaign) -> None:
    count = campaign.count(short=2, long=100)
    restarts = 0
    chance = campaign.chance()
    lease = {"AGENT_ORCHESTRATOR_LEASE_SECONDS": str(LEASE_SECONDS)}
    manager = RunningManager(campaign.directory / "manager", variables=lease, moves_time=True)
    ids = [f"held-{number}" for number in range(HOLDERS)]
    ended: list[str] = []
    try:
        with Api(manager) as api:
            for session_id in [*ids, "silent"]:
                create(api, session_id)
        with holders(manager, ids) as renewed:
            for number in range(count):
                begin_one(manager, f"step-{number}")
                shift = chance.choice(STEPS)
                if number % 5 == 1:
                    manager.stop()
                    manager.time.set_clock_ahead(shift)
                    manager.restart()
                    restarts += 1
                else:
                    manager.time.set_clock_ahead(shift)
                end_one(manager, f"step-{number}")
                ended.append(f"step-{number}")
                campaign.pause(chance, 0, 1.5)  # let the clock run between steps
            let_a_lease_pass(manager, ids, renewed)
            with Api(manager) as api:
                for session_id in ids:
                    assert session(api, session_id)["reason"] is None
                wait_for(
                    lambda: session(api, "silent")["reason"] == "lost",
                    "the silent run is lost",
                )
        with Api(manager) as api:
            for session_id in ids:
                end_by(api, session_id)
            shown = [session(api, each) for each in [*ids, *ended, "silent"]]
            runs = [r for each in shown for r in api.get(path(each, "/runs")).json["runs"]]
            asked = [
                r
                for each in ended
                for r in api.get(path(each, "/runs/1/requests")).json["requests"]
            ]
        assert [each["reason"] for each in shown] == ["completed"] * (len(shown) - 1) + ["lost"]
        assert min(seconds(run, "started_at", "finished_at") for run in [*shown, *runs]) >= 0
        assert min(seconds(request, "created_at", "settled_at") for request in asked) >= 0
        events = 0
        for each in shown:
            stored = stored_events(manager, each["session_id"])
            assert list(stored) == list(range(1, len(stored) + 1))
            events += len(stored)
        assert manager.stop() == 0
        assert verify(manager.state_dir / "sessions.db")[1] == []
    finally:
        manager.kill()
    campaign.tell(
        f"the clock set {count} times by days and hours, {restarts} of them with a restart, "
        f"seed {campaign.seed!r}: 0 of {HOLDERS} held runs lost, the silent run was lost"
    )
    campaign.tell(f"{len(runs)} runs and {len(asked)} requests: none ends before it begins")
    campaign.tell(f"{events} events in order")


def create(api: Api, session_id: str) -> None:
    fresh = {"session_id": session_id, "session_name": session_id, "lease": {"holder": session_id}}
    answer = api.post("/sessions", fresh)
    assert answer.status == 201, answer


def begin_one(manager: RunningManager, session_id: str) -> None:
    """Create a run and a request to it, before the clock is set."""
    with Api(manager) as api:
        create(api, session_id)
        request = {"request_id": "r", "kind": "stop"}
        assert api.post(path(session_id, "/runs/1/requests"), request).status == 201


def end_one(manager: RunningManager, session_id: str) -> None:
    with Api(manager) as api:
        end_by(api, session_id)


def end_by(api: Api, session_id: str) -> None:
    stop = {"event_type": "session_stop", "run": 1, "exit_code": 0, "reason": "completed"}
    assert api.post(path(session_id, "/events"), stop).status == 201


def session(api: Api, session_id: str) -> Any:
    return api.get(path(session_id)).json["session"]


def path(named: Any, rest: str = "") -> str:
    return f"/sessions/{named if isinstance(named, str) else named['session_id']}{rest}"


def seconds(shown: Any, begin: str, end: str) -> float:
    moments = [datetime.fromisoformat(shown[name]) for name in (begin, end)]
    return (moments[1] - moments[0]).total_seconds()
