"""Keeps `ao-import --watch` running next to the manager, as a process of its own.

The manager reads no files of agents. Its child does, as a client like any other. The child ends
when its stdin does, so it does not outlive a manager that was killed.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_session_manager.machine.clock import Time
from agent_shared.agent_places import AGENT_PLACES
from agent_shared.log import shown

logger = logging.getLogger(__name__)

PROGRAM = "ao-import"
ARGUMENTS = ("--watch", "--until-eof")
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 300.0
STEADY_SECONDS = 60.0
"""After this time without an end, the next pause is the first one again."""
END_SECONDS = 4.0
"""Time for the child to end on its own; then it is killed."""
_MAX_LINE_BYTES = 256 * 1024
_PASSED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER")


def import_environment(environ: Mapping[str, str], *, url: str, state_dir: Path) -> dict[str, str]:
    """Return the environment of the child: no secrets, and the manager that it reports to."""
    passed = {name: environ[name] for name in (*_PASSED, *AGENT_PLACES) if name in environ}
    return {
        **passed,
        "AGENT_ORCHESTRATOR_STATE_DIR": str(state_dir),
        "AGENT_ORCHESTRATOR_SESSION_MANAGER_URL": url,
    }


class HistoryImport:
    """A task that starts the import, and starts it again if it ends."""

    def __init__(
        self, environment: Mapping[str, str], *, time: Time, command: Sequence[str] = ()
    ) -> None:
        """`command` replaces the installed `ao-import`."""
        self._environment = environment
        self._time = time
        self._command = list(command)

    async def run(self) -> None:
        command = self._command or _installed(self._environment)
        if not command:
            logger.error("%s is not installed here: nothing is imported", PROGRAM)
            return
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = self._time.monotonic()
            try:
                end = await self._run_once(command)
            except (OSError, ValueError) as exc:
                end = str(exc)
            if self._time.monotonic() - began >= STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            logger.warning("the import has ended (%s); next start in %g s", end, pause)
            await self._time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _run_once(self, command: Sequence[str]) -> str:
        """Run the child to its end, and return a description of the end."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=PIPE,
            cwd="/",
            env=dict(self._environment),
            limit=_MAX_LINE_BYTES,
            start_new_session=True,
        )
        logger.info("importing the sessions of agents (process %d)", process.pid)
        assert process.stderr is not None
        try:
            async for line in process.stderr:
                logger.info("%s", shown(line.decode(errors="replace").rstrip()))
            return f"exit code {await process.wait()}"
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _installed(environment: Mapping[str, str]) -> list[str]:
    beside = Path(sys.executable).with_name(PROGRAM)
    program = (
        str(beside) if beside.exists() else shutil.which(PROGRAM, path=environment.get("PATH"))
    )
    return [program, *ARGUMENTS] if program else []
