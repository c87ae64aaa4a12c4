"""No test depends on the speed of the machine: checks on the syntax trees of the tests."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.syntax import parse
from tests.support.waiting import WATCHDOG_SECONDS

TESTS = Path(__file__).parents[1]

# Files that may sleep. None of them waits for an event, and no test asserts their duration.
SLEEPS = {
    "stress/family.py": "a program that prints at intervals",
    "support/chat_endpoint.py": "a slow model",
    "support/gemini_endpoint.py": "a slow model",
    "support/campaign.py": "kills at a random moment",
    "support/manager_time.py": "turns of an event loop whose clock the test moves",
    "support/moved_time.py": "a clock that the test moves",
    "support/model_server.py": "a slow model",
    "support/responses_endpoint.py": "a slow model",
    "support/scripted_acp.py": "an agent that works at intervals",
    "support/scripted_app_server.py": "an agent that works at intervals",
    "support/pressure.py": "requests at a rate",
    "support/producing.py": "retries while a manager is down",
    "support/replaying.py": "retries while a manager is down",
    "support/waiting.py": "polls until the watchdog ends the wait",
    "support/writing_outbox.py": "an agent that prints at intervals",
}
# Waits that are short on purpose: the test needs the time-out, on a machine of any speed.
SHORT_WAITS = {
    "agents/play.py": "looks at intervals",
    "api/client/test_client_errors.py": "a server that never answers",
    "stress/test_clocks.py": "a supervisor that renews at intervals",
    "stress/test_long_day.py": "looks at intervals",
    "unit/agent_orchestrator/client/connection/test_loopback.py": "a server that never answers",
    "unit/agent_orchestrator/runs/test_delivery.py": "a server that never answers",
    "unit/support/test_forked_program.py": "a second thread that may not enter",
}
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time"}
COMPUTE = {
    "max",
    "min",
    "sum",
    "sorted",
    "abs",
    "round",
    "int",
    "float",
    "mean",
    "median",
    "quantiles",
}
WAITS = {"wait", "join", "result", "acquire", "communicate", "settimeout", "timeout", "wait_for"}


@cache
def trees() -> dict[str, ast.AST]:
    """Return the syntax tree of each file of the tests."""
    parsed = {path.relative_to(TESTS).as_posix(): parse(path) for path in TESTS.rglob("*.py")}
    gc.freeze()  # all of them stay
    return parsed


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return all nodes of a tree, cached for all tests of this module."""
    return tuple(ast.walk(tree))


def named(node: ast.AST) -> str | None:
    """Return the last name of an expression: `sleep` of `time.sleep`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Yield lines that sleep; `sleep(0)`, a turn of the event loop, does not count."""
    for node in nodes(tree):
        match node:
            case ast.Call(args=[ast.Constant(value=0)]):
                pass
            case ast.Call(func=func) if named(func) == "sleep":
                yield node.lineno


def durations(tree: ast.AST) -> set[str]:
    """Return the names in a file that hold a clock value, or a value computed from one."""
    found: set[str] = set()
    while True:
        before = len(found)
        for node in nodes(tree):
            match node:
                case ast.Assign(targets=targets, value=value) if is_timed(value, found):
                    found |= {n for target in targets if (n := named(target))}
                case ast.FunctionDef(name=name) if any(
                    isinstance(part, ast.Return)
                    and isinstance(part.value, ast.BinOp)
                    and is_timed(part.value, found)
                    for part in ast.walk(node)
                ):
                    found.add(name)
                case ast.AugAssign(target=target, value=value) if is_timed(value, found):
                    found |= {n} if (n := named(target)) else set()
                case ast.Call(func=ast.Attribute(value=held, attr="append"), args=[value]) if (
                    is_timed(value, found)
                ):
                    found |= {n} if (n := named(held)) else set()
        if len(found) == before:
            return found


def is_timed(node: ast.AST, known: set[str]) -> bool:
    """Return True if a value comes from a clock, or from a name that holds a clock value."""
    match node:
        case ast.Call(func=func, args=arguments):
            computed = named(func) in COMPUTE and any(is_timed(each, known) for each in arguments)
            return named(func) in CLOCKS | known or computed
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in known
    return any(is_timed(part, known) for part in ast.iter_child_nodes(node))


def asserted_durations(tree: ast.AST) -> Iterator[int]:
    if not any(named(node) in CLOCKS for node in nodes(tree)):
        return
    known = durations(tree)
    for node in nodes(tree):
        match node:
            case ast.Assert(test=ast.Compare() as compared) if is_timed(compared, known):
                yield node.lineno


def constants(tree: ast.AST) -> dict[str, float]:
    """Return the names of a file that are numbers."""
    found: dict[str, float] = {}
    for node in nodes(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if (
                number := number_of(value, found)
            ) is not None:
                found[name] = number
    return found


def number_of(node: ast.AST, known: dict[str, float]) -> float | None:
    """Return the value of an expression; unknown parts of a sum count as 0."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name):
            return known.get(name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            factors = number_of(left, known), number_of(right, known)
            return None if None in factors else (factors[0] or 0) * (factors[1] or 0)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = number_of(left, known), number_of(right, known)
            return None if parts == (None, None) else (parts[0] or 0) + (parts[1] or 0)
    return None


def short_waits(tree: ast.AST) -> Iterator[int]:
    """Yield lines with a time-out that is a number and that a slow machine could reach."""
    known = constants(tree)
    for node in nodes(tree):
        if not isinstance(node, ast.Call) or (name := named(node.func)) is None:
            continue
        bounds = [each.value for each in node.keywords if each.arg == "timeout"]
        # The time-out of `wait_for` is the second argument; the first of a beacon is a count.
        if name in WAITS and len(node.args) >= (2 if name == "wait_for" else 1):
            bounds.append(node.args[-1])
        for bound in bounds:
            seconds = number_of(bound, known)
            if seconds is not None and 0 < seconds < WATCHDOG_SECONDS:
                yield node.lineno


def deadlines(tree: ast.AST) -> Iterator[int]:
    """Yield lines that set a deadline for examples of Hypothesis."""
    for node in nodes(tree):
        if isinstance(node, ast.Call) and named(node.func) == "settings":
            yield from (node.lineno for each in node.keywords if each.arg == "deadline")


def default_waits(tree: ast.AST) -> Iterator[int]:
    """Yield lines that use the default time-out of a library, which may be a few seconds."""
    for node in nodes(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="httpx"), attr=attr)) if attr in {
                "Client",
                "AsyncClient",
            }:
                wanted = {"timeout"}
            case ast.Call(func=ast.Name(id="connect")):
                wanted = {"open_timeout", "ping_timeout", "close_timeout"}
            case _:
                continue
        if not wanted <= {each.arg for each in node.keywords}:
            yield node.lineno


def limits(tree: ast.AST) -> Iterator[int]:
    """Yield lines that set a time-out for a single test."""
    for node in nodes(tree):
        match node:
            case ast.Attribute(value=ast.Attribute(attr="mark"), attr="timeout"):
                yield node.lineno


def found(look: object, allowed: dict[str, str]) -> list[str]:
    assert callable(look)
    return [
        f"{name}:{line}"
        for name, tree in trees().items()
        if name not in allowed
        for line in look(tree)
    ]


def test_no_test_sleeps() -> None:
    assert found(sleeps, SLEEPS) == []


def test_no_test_asserts_a_duration() -> None:
    """A measured time goes to `Campaign.limit`, which fails only a long campaign."""
    assert found(asserted_durations, {}) == []


def test_no_wait_is_shorter_than_the_watchdog() -> None:
    assert found(short_waits, SHORT_WAITS) == []


def test_no_library_uses_its_default_timeout() -> None:
    assert found(default_waits, {}) == []


def test_no_test_sets_its_own_timeout(pytestconfig: pytest.Config) -> None:
    assert found(limits, {"support/campaign.py": "a long campaign"}) == []
    assert pytestconfig.getoption("timeout") >= 30 * WATCHDOG_SECONDS


def test_no_example_has_a_deadline() -> None:
    """By default Hypothesis fails a slow example; `conftest.py` disables the deadline."""
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    assert found(deadlines, {"conftest.py": "disables the deadline"}) == []


def test_every_exception_is_still_needed() -> None:
    for look, allowed in (
        (sleeps, SLEEPS),
        (short_waits, SHORT_WAITS),
    ):
        for name in allowed:
            assert list(look(trees()[name])), f"{name} needs no exception"


def test_each_check_finds_bad_code() -> None:
    bad = ast.parse(
        "import time\n"
        "began = time.monotonic()\n"
        "time.sleep(0.1)\n"
        "await asyncio.sleep(0)\n"
        "took = time.monotonic() - began\n"
        "all_of_it.append(took)\n"
        "assert took < 1\n"
        "assert max(all_of_it) <= LIMIT\n"
        "assert seqs == [1]\n"
        "thread.join(5)\n"
        "subprocess.run(line, timeout=30)\n"
        "subprocess.run(line, timeout=WATCHDOG_SECONDS)\n"
        "process.wait(0)\n"
        "beacon.wait_for(2)\n"
        "asyncio.wait_for(task, 2)\n"
        "httpx.Client(trust_env=False)\n"
        "connect(url, open_timeout=60, ping_timeout=60)\n"
        "END_SECONDS = 10.0\n"
        "asyncio.timeout(END_SECONDS)\n"
        "process.communicate(timeout=wanted.seconds + 2 * END_SECONDS)\n"
        "process.communicate(timeout=wanted.seconds + 2 * WATCHDOG_SECONDS)\n"
    )
    assert list(sleeps(bad)) == [3]
    assert list(asserted_durations(bad)) == [7, 8]
    assert list(short_waits(bad)) == [10, 11, 15, 19, 20]
    assert list(default_waits(bad)) == [16, 17]
    assert list(limits(ast.parse("@pytest.mark.timeout(5)\ndef test(): ..."))) == [1]
    assert list(deadlines(ast.parse("@settings(deadline=5)\ndef test(): ..."))) == [1]
