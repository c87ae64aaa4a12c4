"""The rows about a manager under pressure: too many requests, and requests that are malformed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

from benchmarks import servers
from benchmarks.effort import Effort
from benchmarks.measure import Row
from benchmarks.workload import session_ids
from tests.support.hostile_exchange import play
from tests.support.hostile_requests import Aim, draw
from tests.support.memory import resident_megabytes
from tests.support.pressure import (
    OVERLOAD,
    PROCESSES,
    Pressure,
    capacity_pressure,
    overload_pressure,
    press,
)

THREADS = 8
GROWTH_GOAL_MB = 20.0


def goodput(effort: Effort) -> Row:
    """Measure the accepted requests per second at five times the capacity of the same round."""
    row = Row(
        name="overload",
        what=f"accepted requests at {OVERLOAD} times the capacity",
        beside="the capacity, with as many requests as the manager takes",
        unit="requests/s",
        goal=0.8,
    )
    with servers.manager() as server:
        seconds = effort.pressure_seconds
        capacity = capacity_pressure(server.port, server.token, session_ids(0)[0], seconds=seconds)
        peaks: list[float] = []

        def peak(_: int) -> float:
            return peaks[-1]

        def under_overload(_: int) -> float:
            peaks.append(_accepted(capacity))
            return _accepted(overload_pressure(capacity, peak=peaks[-1], seconds=seconds))

        return row.alternate(under_overload, peak, rounds=effort.page_rounds)


def malformed_memory(effort: Effort) -> Row:
    """Measure the growth of a manager during malformed requests, after a tenth of as many."""
    row = Row(
        name="malformed memory",
        what=f"growth of the manager by {effort.malformed_requests:,} malformed requests",
        beside=f"{GROWTH_GOAL_MB:g} MB",
        unit="MB",
        goal=1.0,
        is_rate=False,
    )
    with servers.manager(sessions=False) as server, server.client() as client:
        aim = Aim(port=server.port, token=server.token, session_id="own", victim_id="victim")
        for session_id in (aim.session_id, aim.victim_id):
            new = {"session_id": session_id, "session_name": session_id}
            client.post("/sessions", json=new).raise_for_status()
        _attack(aim, effort.malformed_requests // 10, "first")
        before = resident_megabytes(server.pid)
        _attack(aim, effort.malformed_requests, "then")
        row.ours.append(resident_megabytes(server.pid) - before)
        row.limit.append(GROWTH_GOAL_MB)
        return row


def _accepted(pressure: Pressure) -> float:
    """Return the number of accepted requests per second."""
    return sum(told.taken for told in press(*[pressure] * PROCESSES)) / pressure.seconds


def _attack(aim: Aim, count: int, seed: str) -> None:
    def one_thread(number: int) -> None:
        chance = Random(f"{seed} {number}")
        for _ in range(count // THREADS):
            play(aim.port, draw(aim, chance))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(one_thread, range(THREADS)))
