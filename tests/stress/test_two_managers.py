"""Managers that start at the same moment on one SQLite file: one serves, the others name it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.campaign import Campaign, spread
from tests.support.environment import scrubbed_environment
from tests.support.forking import forking
from tests.support.starting import start_manager
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

pytestmark = pytest.mark.stress

AT_ONCE = 3
LOSER_SECONDS = 1.0


class Start:
    """A manager process that waits for the signal to start."""

    def __init__(self, directory: Path, name: str, *, without_lock: bool = False) -> None:
        self.log = directory / f"{name}.log"
        state = directory / name
        arguments = ["serve", "--port", "0", "--state-dir", str(state)]
        database = f"sqlite:///{directory / 'sessions.db'}"
        self._said, told = forking().Pipe()
        self._process = forking().Process(
            target=start_manager,
            args=(
                told,
                scrubbed_environment(directory),
                self.log,
                [*arguments, "--database-url", database],
                without_lock,
            ),
        )
        self._process.start()
        assert self._said.recv() == "ready"

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    @property
    def serves(self) -> bool:
        return self.log.exists() and '"message": "serving ' in self.log.read_text()

    def go(self) -> None:
        self._said.send("go")

    def end(self, *, kill: bool) -> None:
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.join(WATCHDOG_SECONDS)
        self._said.close()
        assert self._process.exitcode is not None, "the manager is still running"


def race(campaign: Campaign, number: int, directory: Path) -> list[float]:
    """Start several managers at once; return the seconds until each loser exited."""
    starts = [Start(directory, f"{number}-{each}") for each in range(AT_ONCE)]
    try:
        began_at = time.monotonic()
        for start in starts:
            start.go()
        gone: dict[int, float] = {}

        def all_but_one_are_gone() -> bool:
            for start in starts:
                if start.exit_code is not None:
                    gone.setdefault(start.pid, time.monotonic() - began_at)
            return len(gone) >= AT_ONCE - 1

        wait_for(all_but_one_are_gone, "the losers exit", every=0.002)
        (owner,) = (start for start in starts if start.exit_code is None)
        wait_for(lambda: owner.serves, "the owner serves")
        for loser in starts:
            if loser is not owner:
                assert loser.exit_code == 1
                assert f"process id {owner.pid}:" in loser.log.read_text(), loser.log.read_text()
        return list(gone.values())
    finally:
        for start in starts:
            # In every second round the owner is killed, so that its name stays in the lock file.
            start.end(kill=bool(number % 2))


def test_one_of_concurrent_managers_serves_and_is_named(campaign: Campaign) -> None:
    count = campaign.count(short=3, long=100)
    took = [
        seconds for number in range(count) for seconds in race(campaign, number, campaign.directory)
    ]
    campaign.tell(f"{count} starts of {AT_ONCE} at once: one owner each, named by all others")
    campaign.tell(f"losers exited after {spread(took)}")
    campaign.limit("the slowest loser, in seconds", max(took), LOSER_SECONDS)


def test_without_the_lock_all_managers_serve(campaign: Campaign) -> None:
    starts = [
        Start(campaign.directory, str(number), without_lock=True) for number in range(AT_ONCE)
    ]
    try:
        for start in starts:
            start.go()
            wait_for(lambda s=start: s.serves, "the manager serves")  # type: ignore[misc]
        assert [start.exit_code for start in starts] == [None] * AT_ONCE
    finally:
        for start in starts:
            start.end(kill=False)
    campaign.tell(f"without the lock {AT_ONCE} of {AT_ONCE} served")
