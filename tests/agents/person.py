"""A person who uses the commands in one project."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.commands.shell import Ended, Shell

Json = dict[str, Any]

LIMIT_SECONDS = 600.0
"""A program or a run that has not ended by then is trouble."""


class PlayError(Exception):
    """A part of the scenario could not be played; the text says why."""


@dataclass(frozen=True)
class Person:
    """A project directory, and the environment of the person's shell."""

    directory: Path
    environment: dict[str, str]

    def try_(self, command: str, *arguments: str) -> Ended:
        """Run one of our commands to its end."""
        return Shell(directory=self.directory, environment=self.environment).run(
            command, *arguments
        )

    def do(self, command: str, *arguments: str) -> str:
        """Run one of our commands, and return its output.

        Raises:
            PlayError: the command has failed.
        """
        ended = self.try_(command, *arguments)
        if ended.exit_code != 0:
            raise PlayError(f"{command} ended with {ended.exit_code}: {ended.stderr.strip()}")
        return ended.stdout

    def run_program(self, program: str, *arguments: str) -> None:
        """Run another program to its end.

        Raises:
            PlayError: the program has failed.
        """
        try:
            subprocess.run(
                [self._program(program), *arguments],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LIMIT_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise PlayError(f"{program} failed: {exc}") from exc

    def _program(self, command: str) -> str:
        return shutil.which(command, path=self.environment["PATH"]) or command

    def follow(self, session: str) -> Iterator[Json]:
        """Yield the events of a session until its newest run has ended.

        Raises:
            PlayError: the run has not ended in time.
        """
        last = None
        with subprocess.Popen(
            [self._program("ao-logs"), session, "--follow", "--json"],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as following:
            assert following.stdout is not None  # it is a pipe
            watchdog = threading.Timer(LIMIT_SECONDS, following.kill)
            watchdog.start()
            try:
                for line in following.stdout:
                    event = json.loads(line)
                    last = event["event_type"]
                    yield event
            finally:
                watchdog.cancel()
                following.kill()
        if last != "session_stop":
            raise PlayError(f"its run did not end within {LIMIT_SECONDS:.0f} s; after {last}")
