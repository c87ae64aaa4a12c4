"""A load of five times the capacity: the manager keeps its throughput and rejects the rest fast."""

from __future__ import annotations

import time

import pytest

from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.manager import RunningManager
from tests.support.memory import resident_megabytes
from tests.support.pressure import (
    EVENTS,
    OVERLOAD,
    PROCESSES,
    Pressure,
    Told,
    capacity_pressure,
    overload_pressure,
    press,
)
from tests.support.unlimited import remove_limits
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.stress, pytest.mark.only_long]

MAX_LOSS = 0.1
RECOVERY_SECONDS = 2.0


def percentile(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(len(seconds) * share)] * 1000 if seconds else 0.0


def pressure_on(manager: RunningManager, *, seconds: float) -> Pressure:
    return capacity_pressure(manager.port, manager.token, "s", seconds=seconds)


def overload(capacity: Pressure, *, peak: float, seconds: float) -> list[Told]:
    return press(*[overload_pressure(capacity, peak=peak, seconds=seconds)] * PROCESSES)


def test_overload_keeps_throughput_and_rejects_the_rest(campaign: Campaign) -> None:
    seconds = campaign.count(short=3, long=60)
    manager = RunningManager(campaign.directory / "manager")
    try:
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "s", "session_name": "s"})
        pressure = pressure_on(manager, seconds=max(2, seconds / 4))
        peak = per_second(press(*[pressure] * PROCESSES), pressure.seconds)
        before = resident_megabytes(manager.pid)
        told = overload(pressure, peak=peak, seconds=seconds)
        ended = time.monotonic()
        with Api(manager) as api:
            event = {"event_type": "x"}
            wait_for(
                lambda: api.post("/sessions/s/events", event).status == 201,
                "the manager accepts again",
            )
            recovered = time.monotonic() - ended
            grown = resident_megabytes(manager.pid) - before
            stored = api.get("/sessions/s").json["session"]["last_seq"]
        log = manager.log()
    finally:
        manager.stop()
    goodput = per_second(told, seconds)
    refused = [each for one in told for each in one.refused_seconds]
    taken = [each for one in told for each in one.taken_seconds]
    campaign.tell(
        f"capacity {peak:.0f} requests of {EVENTS} events a second; offered {OVERLOAD} times that "
        f"for {seconds} s: {goodput:.0f} accepted a second ({goodput / peak:.0%}), "
        f"{len(refused)} rejected, "
        f"{sum(one.unsent for one in told)} not sent, as no connection was free"
    )
    campaign.tell(
        f"rejected in {percentile(refused, 0.5):.0f} ms, p99 {percentile(refused, 0.99):.0f} ms; "
        f"accepted in {percentile(taken, 0.5):.0f} ms, p99 {percentile(taken, 0.99):.0f} ms; "
        f"recovered after {recovered:.2f} s; memory {grown:+.0f} MB"
    )
    assert stored % EVENTS == 1
    assert '"trace": ' not in log
    assert {status for one in told for status in one.statuses} == {"201", "503"}
    assert sum(one.without_retry_after for one in told) == 0
    campaign.limit("seconds until it recovered", recovered, RECOVERY_SECONDS)
    campaign.limit("lost share of the capacity", 1 - goodput / peak, MAX_LOSS)


def per_second(told: list[Told], seconds: float) -> float:
    return sum(one.taken for one in told) / seconds


def test_manager_without_limits_rejects_no_request(campaign: Campaign) -> None:
    manager = RunningManager(campaign.directory / "manager", prepare=remove_limits)
    try:
        with Api(manager) as api:
            api.post("/sessions", {"session_id": "s", "session_name": "s"})
        pressure = pressure_on(manager, seconds=2)
        peak = per_second(press(*[pressure] * PROCESSES), pressure.seconds)
        told = overload(pressure, peak=peak, seconds=3)
    finally:
        manager.stop()
    taken = [each for one in told for each in one.taken_seconds]
    campaign.tell(
        f"without limits: none rejected, accepted in {percentile(taken, 0.5):.0f} ms, "
        f"p99 {percentile(taken, 0.99):.0f} ms"
    )
    assert {status for one in told for status in one.statuses} == {"201"}
