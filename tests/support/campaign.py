"""Campaigns: tests that repeat a scenario, a few times per change and many times before a release.

A campaign draws its random numbers from the seed of the test run, so that a failure can be
repeated. Its figures are printed at the end. If it fails, its directory is kept.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

T = TypeVar("T")

LONG_SECONDS = 2700
"""Timeout of a test in a long campaign."""
KEPT = Path(__file__).parents[2] / "build" / "stress"

_figures = pytest.StashKey[dict[str, list[str]]]()
_failed = pytest.StashKey[bool]()


@dataclass
class Campaign:
    """The size, seed and directory of one stress test, and the figures it reported."""

    is_long: bool
    seed: str
    directory: Path
    figures: list[str] = field(default_factory=list)

    def count(self, *, short: int, long: int) -> int:
        return long if self.is_long else short

    def chance(self, number: int = 0) -> Random:
        """Return the random generator of one round; it does not depend on the thread."""
        return Random(f"{self.seed} {number}")

    def rounds(self, play: Callable[[int], T], count: int, *, at_once: int = 4) -> list[T]:
        """Play `count` rounds, several at once, and return their results in order."""
        with ThreadPoolExecutor(at_once) as threads:
            return list(threads.map(play, range(count)))

    def tell(self, figure: str) -> None:
        """Add a line to the summary."""
        self.figures.append(figure)

    def limit(self, what: str, figure: float, at_most: float) -> None:
        """Report a figure with its limit.

        Only a long campaign fails above the limit, because nothing else runs on its machine.
        """
        self.tell(f"{what}: {figure:.3g}, limit {at_most:g}")
        assert figure <= at_most or not self.is_long, f"{what}: {figure} is above {at_most}"

    def pause(self, chance: Random, shortest: float, longest: float) -> None:
        """Sleep for a random time, so that the next step, for example a kill, is at random."""
        time.sleep(chance.uniform(shortest, longest))


def spread(seconds: Sequence[float]) -> str:
    """Format the median and the maximum for a figure."""
    if not seconds:
        return "none"
    return f"median {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s"


@pytest.fixture
def campaign(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Campaign]:
    config = request.config
    seed = f"{config.getoption('randomly_seed', 0)} {request.node.name}"
    is_long = config.getoption("campaign") == "long"
    made = Campaign(is_long=is_long, seed=seed, directory=tmp_path)
    yield made
    if request.node.stash.get(_failed, False):
        kept = KEPT / f"{request.node.name}-{config.getoption('randomly_seed', 0)}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(tmp_path, kept, ignore=_special, symlinks=True)
        made.tell(f"its files were kept in {kept}")
    request.node.user_properties += [("figure", figure) for figure in made.figures]


def _special(directory: str, names: list[str]) -> set[str]:
    """Return the names of sockets and pipes, which cannot be copied."""
    paths = ((name, Path(directory, name)) for name in names)
    return {name for name, path in paths if path.is_socket() or path.is_fifo()}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign",
        choices=("short", "long"),
        default="short",
        help="Number of repetitions in the stress tests.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("campaign") == "short":
        left_out = [item for item in items if item.get_closest_marker("only_long") is not None]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    else:
        for item in items:
            if item.get_closest_marker("stress") is not None:
                item.add_marker(pytest.mark.timeout(LONG_SECONDS), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]  # the type of the hook's result
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report  # type: ignore[return-value]  # a wrapper passes it on


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        f"{report.nodeid.rpartition('::')[2]}: {text}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"
        for name, text in report.user_properties
        if name == "figure"
    ]
    if told:
        terminalreporter.section("figures of the campaigns")
        for line in told:
            terminalreporter.line(line)
