"""No test depends on the speed of the machine: what its code may not say, found in its syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.waiting import WATCHDOG_SECONDS

TESTS = Path(__file__).parents[1]

# Where a test may sleep: none of these waits for an event, and nothing is asserted about them.
SLEEPS = {
    "stress/family.py": "a program that says something now and then",
    "support/campaign.py": "the moment of a kill is left to chance",
    "support/manager_time.py": "turns of a loop whose time the test moves",
    "support/moved_time.py": "a time that the test moves",
    "support/model_server.py": "a model that takes its time",
    "support/pressure.py": "requests at a rate",
    "support/producing.py": "tries again while a manager is away",
    "support/replaying.py": "tries again while a manager is away",
    "support/waiting.py": "looks again, until the watchdog ends it",
    "support/writing_outbox.py": "an agent that says something now and then",
}
# Waits that are short on purpose: their end is what is tested, and comes on any machine.
SHORT_WAITS = {
    "api/test_client_errors.py": "a server that never answers",
    "unit/test_delivery.py": "a server that never answers",
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
    """The syntax of each file of the tests."""
    return {
        path.relative_to(TESTS).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(TESTS.rglob("*.py"))
    }


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All that a file says, found once for all the tests of this module."""
    return tuple(ast.walk(tree))


def named(node: ast.AST) -> str | None:
    """The last name of what is called or meant: `sleep` of `time.sleep`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Lines that let time pass; a turn of an event loop, `sleep(0)`, is none."""
    for node in nodes(tree):
        match node:
            case ast.Call(args=[ast.Constant(value=0)]):
                pass
            case ast.Call(func=func) if named(func) == "sleep":
                yield node.lineno


def durations(tree: ast.AST) -> set[str]:
    """Names in a file that hold what was read from a clock, or what was computed from it."""
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
    """Whether a value is computed from a clock, or from a name that holds what one said."""
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


def short_waits(tree: ast.AST) -> Iterator[int]:
    """Lines with a bound for a wait that a slow machine could reach, as a number."""
    for node in nodes(tree):
        if not isinstance(node, ast.Call) or (name := named(node.func)) is None:
            continue
        bounds = [each.value for each in node.keywords if each.arg == "timeout"]
        # The bound of a `wait_for` comes second; the first of a beacon is how many it waits for.
        if name in WAITS and len(node.args) >= (2 if name == "wait_for" else 1):
            bounds.append(node.args[-1])
        for bound in bounds:
            match bound:
                case ast.Constant(value=int() | float() as seconds) if not isinstance(
                    seconds, bool
                ):
                    if 0 < seconds < WATCHDOG_SECONDS:
                        yield node.lineno


def deadlines(tree: ast.AST) -> Iterator[int]:
    """Lines in which examples of Hypothesis are given a time."""
    for node in nodes(tree):
        if isinstance(node, ast.Call) and named(node.func) == "settings":
            yield from (node.lineno for each in node.keywords if each.arg == "deadline")


def default_waits(tree: ast.AST) -> Iterator[int]:
    """Lines that leave it to a library how long it waits: some give up within seconds."""
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
    """Lines that give a test a time of its own: its work takes as long as the machine needs."""
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
    """A figure goes to `Campaign.limit`, by which only a long campaign fails."""
    assert found(asserted_durations, {}) == []


def test_no_wait_is_shorter_than_the_watchdog() -> None:
    assert found(short_waits, SHORT_WAITS) == []


def test_no_library_waits_as_long_as_it_likes() -> None:
    assert found(default_waits, {}) == []


def test_no_test_has_a_time_of_its_own(pytestconfig: pytest.Config) -> None:
    assert found(limits, {"support/campaign.py": "a long campaign, which may take longer"}) == []
    assert pytestconfig.getoption("timeout") >= 30 * WATCHDOG_SECONDS


def test_no_example_has_a_deadline() -> None:
    """Hypothesis fails a slow example by default; `conftest.py` switches that off."""
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
    assert found(deadlines, {"conftest.py": "sets that there is none"}) == []


def test_what_is_allowed_is_still_there() -> None:
    for look, allowed in (
        (sleeps, SLEEPS),
        (short_waits, SHORT_WAITS),
    ):
        for name in allowed:
            assert list(look(trees()[name])), f"{name} needs no leave"


def test_each_check_bites() -> None:
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
    )
    assert list(sleeps(bad)) == [3]
    assert list(asserted_durations(bad)) == [7, 8]
    assert list(short_waits(bad)) == [10, 11, 15]
    assert list(default_waits(bad)) == [16, 17]
    assert list(limits(ast.parse("@pytest.mark.timeout(5)\ndef test(): ..."))) == [1]
    assert list(deadlines(ast.parse("@settings(deadline=5)\ndef test(): ..."))) == [1]
