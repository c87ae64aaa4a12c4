"""Automatic backups: made at an interval, checked, and limited in number.

A child process makes each backup with `agent-session-manager backup`. It reads while the writer
commits, and ends with the manager. A failed backup is logged and tried again. An old backup is
removed only after a new one exists.
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
"""Makes a new backup file and returns a description of its contents."""


class BackupFailedError(Exception):
    """A backup failed; the text states the reason."""


class Backups:
    """A task that checks regularly whether a backup is due, until it is cancelled."""

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
            except Exception:  # a temporarily full disk must not end the loop
                logger.exception("a backup could not be made")
            await self._time.sleep(min(LOOK_SECONDS, self._every))

    async def look(self) -> None:
        """Make a backup if one is due: by elapsed time, or after a start by existing backups."""
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
            left.unlink()  # left by a killed backup: only we make backups here
        file = self._directory / f"{self._stem}-{self._time.clock().strftime(_NAME)}.db"
        return file, await self._back_up(file)

    def _found(self) -> list[Path]:
        """Return the backups in the directory, recognised by name, newest first."""
        found = self._directory.glob(f"{self._stem}-*Z.db")
        return sorted((path for path in found if _time_of(path, self._stem)), reverse=True)

    def _others(self, file: Path) -> list[Path]:
        """Return all backups except `file`, which looks oldest if the clock was set back."""
        return [path for path in self._found() if path != file]


def _time_of(path: Path, stem: str) -> datetime | None:
    text = path.name.removeprefix(f"{stem}-").removesuffix(".db")
    try:
        return datetime.strptime(text, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def backing_up(url: str) -> BackUp:
    """Return a function that backs up the database at a URL in a child process."""

    async def back_up(file: Path) -> str:
        arguments = ("backup", str(file), "--json", "--database-url", url)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", _PROGRAM, *arguments,  # -P: import nothing from the cwd
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
