"""The rows about the import of history: its rate, its repetition, and its memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent_session_manager.settings import environment
from benchmarks import servers
from benchmarks.answers import TIMEOUT_SECONDS
from benchmarks.command_rows import COMMANDS
from benchmarks.effort import Effort
from benchmarks.measure import Row
from benchmarks.transcript_corpus import write_transcripts
from tests.support.memory import run_measured
from tests.support.transcript_files import Transcript

MEGABYTE = 1_000_000
MEMORY_GOAL_MIB = 200.0
_AGENTSVIEW = "AGENTSVIEW"
"""Variable with the path of agentsview; without it, the PATH is searched."""
_UNCHANGED_SECONDS = 0.001
"""Goal for one unchanged file."""
_POLL_SECONDS = 0.02
_IMPORT = [sys.executable, str(COMMANDS / "ao-import"), "--json"]


def import_rate(effort: Effort) -> Row:
    row = Row(
        name="import",
        what="ao-import of transcripts of Claude Code until all of it can be searched",
        beside="agentsview 0.46: the command sync",
        unit="MB/s",
        goal=2.0,
    )
    with _corpus(effort) as (home, size):

        def ours(_: int) -> float:
            with servers.manager(sessions=False) as server:
                begin = time.perf_counter()
                _run(_IMPORT, {**server.environ(), "HOME": str(home)})
                _wait_for_index(server)
                return size / MEGABYTE / (time.perf_counter() - begin)

        def theirs(_: int) -> float:
            with tempfile.TemporaryDirectory(dir=home.parent) as other:
                shutil.copytree(home, other, copy_function=os.link, dirs_exist_ok=True)
                environ = {"HOME": other, "AGENTSVIEW_NO_DAEMON": "1"}
                begin = time.perf_counter()
                _run([str(program), "sync"], {**servers.clean_environ(), **environ})
                return size / MEGABYTE / (time.perf_counter() - begin)

        program = environment().get(_AGENTSVIEW) or shutil.which("agentsview")
        if program is None:
            why = f"agentsview is not on the PATH; this import: {ours(0):.1f} MB/s"
            return replace(row, missing=why)
        return row.alternate(ours, theirs, rounds=effort.import_rounds)


def unchanged_time(effort: Effort) -> Row:
    row = Row(
        name="import unchanged",
        what=f"ao-import of {effort.import_files:,} files without changes",
        beside="1 s for 1,000 files",
        unit="s",
        goal=1.0,
        is_rate=False,
    )
    with _corpus(effort) as (home, _), servers.manager(sessions=False) as server:
        environ = {**server.environ(), "HOME": str(home)}
        _run(_IMPORT, environ)

        def again(_: int) -> float:
            begin = time.perf_counter()
            _run(_IMPORT, environ)
            return time.perf_counter() - begin

        goal = max(effort.import_files, 1000) * _UNCHANGED_SECONDS
        return row.alternate(again, lambda _: goal, rounds=effort.import_rounds)


def import_memory(effort: Effort) -> Row:
    row = Row(
        name="import memory",
        what=f"largest resident memory of ao-import for a line of {effort.import_line_mb} MB",
        beside=f"{MEMORY_GOAL_MIB:g} MiB",
        unit="MiB",
        goal=1.0,
        is_rate=False,
    )
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        _write_long_line(home, effort.import_line_mb * MEGABYTE)

        def peak(_: int) -> float:
            with servers.manager(sessions=False) as server:
                return run_measured(_IMPORT, {**server.environ(), "HOME": name})[1]

        return row.alternate(peak, lambda _: MEMORY_GOAL_MIB, rounds=1)


def _write_long_line(home: Path, size: int) -> None:
    transcript = Transcript()
    transcript.prompt("Read the file")
    transcript.call("Read", "@")
    before, after = transcript.text().split("@")
    path = transcript.write(home)
    unit = "some words \\n " * 1000
    with path.open("w") as file:
        file.write(before)
        for _ in range(size // len(unit)):
            file.write(unit)
        file.write(after)


@contextmanager
def _corpus(effort: Effort) -> Iterator[tuple[Path, int]]:
    with tempfile.TemporaryDirectory(prefix="ao-benchmark-") as name:
        home = Path(name, "home")
        home.mkdir()
        yield home, write_transcripts(home, effort.import_files)


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=10 * TIMEOUT_SECONDS,
        check=True,
    )


def _wait_for_index(server: servers.Server) -> None:
    deadline = time.monotonic() + 10 * TIMEOUT_SECONDS
    with server.client() as client:
        while client.get("/health").json()["search_index"] != "current":
            if time.monotonic() > deadline:
                raise TimeoutError("the search index did not reach the record")
            time.sleep(_POLL_SECONDS)
