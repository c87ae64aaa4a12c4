"""Backups that a manager makes by itself: every so often, checked, and only so many of them kept.

Each is made by `agent-session-manager backup` in a process of its own, which reads beside the
writer and ends with the manager. One that fails is logged and tried again, and an old one is
removed only after a new one is there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent_session_manager.machine.clock import Time
from agent_session_manager.machine.discovery import DiscoveryError, prepare_state_dir

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
RETRY_SECONDS = 600.0
_NAME = "%Y%m%dT%H%M%SZ"
_PROGRAM = (
    "from agent_session_manager.cli.main import main; main(prog_name='agent-session-manager')"
)

BackUp = Callable[[Path], Awaitable[str]]
"""Makes a file that is not there yet; returns what it holds, in words."""


class BackupFailedError(Exception):
    """No backup was made; the text says why."""


class Backups:
    """Looks now and then whether a backup is due, until it is cancelled."""

    def __init__(  # where, how often, how many, by what time
        self,
        directory: Path,
        stem: str,
        *,
        back_up: BackUp,
        every: timedelta,
        kept: int,
        time: Time,
    ) -> None:
        self._directory = directory
        self._stem = stem
        self._back_up = back_up
        self._every = every / timedelta(seconds=1)
        self._kept = kept
        self._time = time
        self._done_at: float | None = None
        self._tried_at: float | None = None
        self.made = 0
        self.failures = 0

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (BackupFailedError, DiscoveryError) as exc:
                logger.error("a backup could not be made: %s", exc)
            except Exception:  # a disk that is full for a while must not end the watch
                logger.exception("a backup could not be made")
            await self._time.sleep(min(LOOK_SECONDS, self._every))

    async def look(self) -> None:
        """Make one if it is due: by the time that passed, and after a start by those there are."""
        now = self._time.monotonic()
        if self._tried_at is not None and now - self._tried_at < min(RETRY_SECONDS, self._every):
            return
        if not self._is_due(now):
            return
        self._tried_at = now
        try:
            file, contents = await self._make()
        except Exception:
            self.failures += 1
            raise
        self._tried_at, self._done_at = None, now
        self.made += 1
        logger.info("backed up to %s: %s", file, contents)
        for old in self._others(file)[self._kept - 1 :]:
            old.unlink(missing_ok=True)
            logger.info("removed the backup %s", old)

    def _is_due(self, now: float) -> bool:
        if self._done_at is not None:
            return now - self._done_at >= self._every
        times = [_time_of(path, self._stem) for path in self._found()]
        ages = [(self._time.clock() - time) / timedelta(seconds=1) for time in times if time]
        return not any(0 <= age < self._every for age in ages)

    async def _make(self) -> tuple[Path, str]:
        prepare_state_dir(self._directory)
        for left in self._directory.glob(f".{self._stem}-*Z.db.*.partial"):
            left.unlink()  # of one that was killed: only we make any here
        file = self._directory / f"{self._stem}-{self._time.clock().strftime(_NAME)}.db"
        return file, await self._back_up(file)

    def _found(self) -> list[Path]:
        """The backups that were made here by their names, the newest first."""
        found = self._directory.glob(f"{self._stem}-*Z.db")
        return sorted((path for path in found if _time_of(path, self._stem)), reverse=True)

    def _others(self, file: Path) -> list[Path]:
        """All but the one that was just made: the clock may say that it is the oldest."""
        return [path for path in self._found() if path != file]


def _time_of(path: Path, stem: str) -> datetime | None:
    text = path.name.removeprefix(f"{stem}-").removesuffix(".db")
    try:
        return datetime.strptime(text, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def backing_up(url: str) -> BackUp:
    """Make backups of the database at a URL in a process of its own, which is gone when we are."""

    async def back_up(file: Path) -> str:
        arguments = ("backup", str(file), "--json", "--database-url", url)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", _PROGRAM, *arguments,  # -P: no module of a project
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the manager
        )  # fmt: skip
        try:
            said, refused = await process.communicate()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise BackupFailedError(refused.decode("utf-8", "replace").strip())
        made = json.loads(said)
        return f"{made['sessions']} sessions and {made['events']} events, {made['bytes']} bytes"

    return back_up
