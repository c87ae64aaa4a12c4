"""Campaigns: tests that repeat something, a few times with every change and many before a release.

What a campaign leaves to chance comes from the seed of the whole test run, so that a failure can be
repeated. Its figures are printed at the end, and where it failed its directory is kept.
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
"""How long a test of a long campaign may take."""
KEPT = Path(__file__).parents[2] / "build" / "stress"

_figures = pytest.StashKey[dict[str, list[str]]]()
_failed = pytest.StashKey[bool]()


@dataclass
class Campaign:
    """How much one test has to do, where, and what came of it."""

    is_long: bool
    seed: str
    directory: Path
    figures: list[str] = field(default_factory=list)

    def count(self, *, short: int, long: int) -> int:
        return long if self.is_long else short

    def chance(self, number: int = 0) -> Random:
        """What is drawn in the round of this number, whichever thread plays it."""
        return Random(f"{self.seed} {number}")

    def rounds(self, play: Callable[[int], T], count: int, *, at_once: int = 4) -> list[T]:
        """Play so many rounds, several at once, and return what each came to."""
        with ThreadPoolExecutor(at_once) as threads:
            return list(threads.map(play, range(count)))

    def tell(self, figure: str) -> None:
        """Keep a line for the summary."""
        self.figures.append(figure)

    def limit(self, what: str, figure: float, at_most: float) -> None:
        """Tell a figure beside its limit.

        Only a long campaign fails by it: it has the machine to itself.
        """
        self.tell(f"{what}: {figure:.3g}, limit {at_most:g}")
        assert figure <= at_most or not self.is_long, f"{what}: {figure} is above {at_most}"

    def pause(self, chance: Random, shortest: float, longest: float) -> None:
        """Let the moment of what comes next, such as a kill, be left to chance."""
        time.sleep(chance.uniform(shortest, longest))


def spread(seconds: Sequence[float]) -> str:
    """Median and maximum, as a figure says them."""
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
        made.tell(f"what it left is in {kept}")
    request.node.user_properties += [("figure", figure) for figure in made.figures]


def _special(directory: str, names: list[str]) -> set[str]:
    """What cannot be copied: sockets and pipes."""
    paths = ((name, Path(directory, name)) for name in names)
    return {name for name, path in paths if path.is_socket() or path.is_fifo()}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign",
        choices=("short", "long"),
        default="short",
        help="How often the stress tests repeat what they test.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("campaign") == "long":
        for item in items:
            if item.get_closest_marker("stress") is not None:
                item.add_marker(pytest.mark.timeout(LONG_SECONDS), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]  # what the hook returns
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
