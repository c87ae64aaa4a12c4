"""The row about the feed of a session."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks import servers
from benchmarks.answers import answer
from benchmarks.effort import Effort
from benchmarks.following import Job
from benchmarks.measure import Row
from benchmarks.workload import session_ids

FOLLOWERS = 100
FOLLOWED_EVENTS_PER_SECOND = 1000


def follow_time(effort: Effort) -> Row:
    row = Row(
        name="follow",
        what="from commit to 100 followers at 1,000 events/s, 99th percentile",
        beside="bare asyncio fan-out of the same bytes",
        unit="s",
        goal=1.5,
        is_rate=False,
    )

    def latency(server: servers.Server, number: int) -> float:
        job = Job(
            port=server.port,
            token=server.token,
            session_id=session_ids(number)[0],
            after_seq=0,
            followers=FOLLOWERS,
            events_per_second=FOLLOWED_EVENTS_PER_SECOND,
            seconds=effort.follow_seconds,
        )
        return float(answer("benchmarks.following", job.to_json(), servers.clean_environ()))

    with servers.manager() as server, ExitStack() as stack:
        return row.alternate(
            lambda number: latency(server, number),
            # A new one for each round: it numbers the events of all sessions together.
            lambda number: latency(stack.enter_context(servers.limit("fan_out")), number),
            rounds=effort.follow_rounds,
        )
