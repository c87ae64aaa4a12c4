"""Delivery to a command: a process without a shell, with the message on its stdin.

The process gets the variables of a desktop and of a login, and none of the manager's tokens. It is
the leader of its process group. An attempt that is cancelled kills the group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import STDOUT
from collections.abc import Mapping, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Self

from agent_session_manager.alerts.message import title_of, url_of
from agent_session_manager.alerts.outcome import MAX_ANSWER_BYTES, Outcome, excerpt, failure
from agent_session_manager.domain.sessions.alert import Alert
from agent_shared.desktop import DESKTOP_VARIABLES
from agent_shared.log import one_line

PASSED = (
    *("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER"),
    *DESKTOP_VARIABLES,
)
"""Variables of the manager that a command gets."""
_READ_BYTES = 65536
_READS_OF_A_PIPE = 16
"""Number of reads after which a full pipe is empty; a child may write more all the time."""


def variables_of(alert: Alert, manager_url: str) -> dict[str, str]:
    """Return the variables with the facts of an alert; each is one line."""
    facts = alert.facts
    values = {
        "AO_ALERT_ID": alert.alert_id,
        "AO_STATE": alert.kind.value,
        "AO_SESSION_ID": facts.get("session_id"),
        "AO_SESSION_NAME": facts.get("session_name"),
        "AO_PROJECT_DIR": facts.get("project_dir"),
        "AO_TEXT": title_of(alert),
        "AO_URL": url_of(alert, manager_url),
    }
    return {name: one_line(str(value or "")) for name, value in values.items()}


def environment_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the manager's environment that a command gets."""
    return {name: environ[name] for name in PASSED if name in environ}


async def run(command: Sequence[str], body: bytes, environment: Mapping[str, str]) -> Outcome:
    """Run a command until it ends. The caller limits the time.

    Its stdin is a file, so it may end without reading it. Children that it leaves behind are not
    waited for.
    """
    with _Output() as output, TemporaryFile() as stdin:
        stdin.write(body)
        stdin.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=stdin,
                stdout=output.to_write,
                stderr=STDOUT,
                cwd="/",
                env=dict(environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            return failure(f"{command[0]!r} cannot be started: {exc}")
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        output.read_rest()
        return _outcome(code, bytes(output.said))


class _Output:
    """A pipe that is read all the time, so that no command blocks; its beginning is kept.

    Its end is not waited for: a child that the command left behind may hold it open.
    """

    def __init__(self) -> None:
        self.said = bytearray()
        self._from, self.to_write = os.pipe()
        os.set_blocking(self._from, False)
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        self._loop.add_reader(self._from, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._from)
        os.close(self._from)
        os.close(self.to_write)

    def read_rest(self) -> None:
        """Read what the pipe contains, but no more than fits into it."""
        for _ in range(_READS_OF_A_PIPE):
            if not self._read():
                break

    def _read(self) -> bool:
        try:
            data = os.read(self._from, _READ_BYTES)
        except BlockingIOError:
            return False
        self.said += data[: MAX_ANSWER_BYTES - len(self.said)]
        return bool(data)


def _outcome(code: int | None, said: bytes) -> Outcome:
    text = excerpt(said.decode("utf-8", "replace"))
    if code == 0:
        return Outcome(answer=f"exit code 0{f': {text}' if text else ''}")
    ended = f"ended by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return failure(f"{ended}{f': {text}' if text else ''}")
