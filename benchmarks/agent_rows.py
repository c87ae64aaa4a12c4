"""The rows about runs of agents: their start, the answer to a question, and many at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from benchmarks import servers
from benchmarks.agents import (
    AGENTS,
    READY,
    Agent,
    called,
    live_events,
    run_of,
    said,
    wait_for_event,
)
from benchmarks.answers import TIMEOUT_SECONDS
from benchmarks.command_rows import DETACH_GOAL_SECONDS, run_command
from benchmarks.effort import Effort
from benchmarks.measure import Row

ANSWER_GOAL_SECONDS = 0.2
ANSWERS = 100
AT_ONCE = 20
START_GOAL = 1.5
AT_ONCE_GOAL = 0.75
_CHOICES = [
    {"optionId": "yes", "kind": "allow_once", "name": "Yes"},
    {"optionId": "no", "kind": "reject_once", "name": "No"},
]


def rows() -> dict[str, Callable[[Effort], Row]]:
    """Return the rows by their names."""
    starts = {f"{name} start": partial(_start_time, name) for name in AGENTS}
    return {**starts, "answer": answer_time, "agents at once": time_of_many}


def _start_time(name: str, effort: Effort) -> Row:
    row = Row(
        name=f"{name} start",
        what=f"from the start of ao-new to the first answer of {name} in the record",
        beside=f"the agent alone, to its answer, and {DETACH_GOAL_SECONDS:g} s",
        unit="s",
        goal=START_GOAL,
        is_rate=False,
    )
    numbers = count()
    with servers.manager(sessions=False) as server, AGENTS[name](server.environ()) as agent:

        def ours(_: int) -> float:
            began = time.perf_counter()
            arguments = ("--detach", f"run {next(numbers)}", *agent.answers)
            session_id = run_command(agent.environ, "ao-new", *arguments)
            wait_for_event(server, session_id, _is_answer)
            seconds = time.perf_counter() - began
            run_command(agent.environ, "ao-wait", session_id)
            return seconds

        def limit(_: int) -> float:
            return _alone_seconds(agent) + DETACH_GOAL_SECONDS

        return row.alternate(ours, limit, rounds=effort.page_rounds)


def _is_answer(event: dict[str, Any]) -> bool:
    return event.get("event_type") == "message" and event.get("role") == "assistant"


def _alone_seconds(agent: Agent) -> float:
    """Return the time from the start of the agent without us until it has answered."""
    began = time.perf_counter()
    with ExitStack() as stack, TemporaryDirectory(prefix="ao-agent-") as directory:
        process = subprocess.Popen(
            agent.alone,
            env=dict(agent.environ),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        stack.callback(process.wait, TIMEOUT_SECONDS)
        stack.callback(process.kill)
        assert process.stdin is not None and process.stdout is not None  # both are pipes
        process.stdin.write(agent.stdin)
        process.stdin.flush()
        if not agent.stdin:
            process.stdin.close()
        for line in process.stdout:
            if READY in line:
                return time.perf_counter() - began
    raise RuntimeError(f"{agent.alone[0]} did not answer")


def answer_time(effort: Effort) -> Row:
    row = Row(
        name="answer",
        what="from an answer to a question until the agent's next event, 99th percentile",
        beside=f"{ANSWER_GOAL_SECONDS:g} s",
        unit="s",
        goal=1.0,
        is_rate=False,
    )
    numbers = count()
    with servers.manager(sessions=False) as server, TemporaryDirectory() as home:
        program = run_of(Path(home), _asking(ANSWERS))

        def latency(_: int) -> float:
            arguments = ("--detach", "--ask", "forever", f"run {next(numbers)}", *program)
            session_id = run_command(server.environ(), "ao-new", *arguments)
            return quantiles(_answer_all(server, session_id), n=100)[-1]

        return row.alternate(latency, lambda _: ANSWER_GOAL_SECONDS, rounds=effort.follow_rounds)


def _asking(times: int) -> list[list[Any]]:
    """Return the steps of an agent that asks before each of its calls."""
    steps: list[list[Any]] = [["serve"]]
    for number in range(times):
        call_id = f"c{number}"
        asked = {"toolCall": {"toolCallId": call_id}, "options": _CHOICES}
        done = {"sessionUpdate": "tool_call_update", "toolCallId": call_id, "status": "completed"}
        steps += [called(call_id), ["ask", asked], ["update", done]]
    return [*steps, said(READY), ["done", {"stopReason": "end_turn"}]]


def _answer_all(server: servers.Server, session_id: str) -> Iterator[float]:
    """Answer the questions of a run; yield for each the time until the agent continues."""
    answered_at = 0.0
    with ManagerClient(server.url, run_token=server.token, is_configured=True) as manager:
        for event in live_events(server, session_id):
            match event["event_type"]:
                case "permission_request":
                    answered_at = time.perf_counter()
                    choice = {"choice": event["choices"][0]["id"]}
                    manager.create_answer(session_id, 1, event["question_id"], choice)
                case "post_tool":
                    yield time.perf_counter() - answered_at


def time_of_many(effort: Effort) -> Row:
    row = Row(
        name="agents at once",
        what=f"{AT_ONCE} runs of the scripted agent, started at once, until all have ended",
        beside="the same runs one after the other",
        unit="s",
        goal=AT_ONCE_GOAL,
        is_rate=False,
    )
    numbers = count()
    with servers.manager(sessions=False) as server, AGENTS["acp"](server.environ()) as agent:

        def run(_: int) -> None:
            run_command(agent.environ, "ao-new", f"run {next(numbers)}", *agent.answers)

        return row.alternate(
            lambda _: _seconds_of(run, at_once=AT_ONCE),
            lambda _: _seconds_of(run, at_once=1),
            rounds=effort.page_rounds,
        )


def _seconds_of(run: Callable[[int], None], *, at_once: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(run, range(AT_ONCE)))
    return time.perf_counter() - began
