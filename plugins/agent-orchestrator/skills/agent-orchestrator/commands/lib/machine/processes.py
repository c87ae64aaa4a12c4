"""Starting a program, finding every process of its run, and stopping them all.

A run's processes are the descendants of its program. A tool may detach itself (a new session, a
parent that has ended), so every process with the run's marker in its environment also counts. The
search is repeated until no process is left. On Linux it also covers the processes that are started
while it lasts. A process is identified by its pid and its start time.

On macOS, the environment of a protected system binary cannot be read. A process of that kind that
was detached *and* lost its parent is not found there. On every system, a process is not found if it
detached itself, lost its parent and emptied its environment before the first search.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import uuid
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, TypeVar, cast

import psutil

from .environment import RUN_MARKER

logger = logging.getLogger(__name__)

INTERRUPT_GRACE_SECONDS = 5.0
"""Claude Code needs 1.5 s after an interrupt to stop its tools and record its cost."""
TERMINATE_GRACE_SECONDS = 3.0
KILL_GRACE_SECONDS = 5.0
"""Time for the kernel to remove killed processes."""
POLL_SECONDS = 0.02
"""Processes that are not our children do not notify us of their end, so we poll."""
LONGEST_POLL_SECONDS = 0.1
"""A search for processes costs time, so the longer they stay, the less often we look."""

MAX_BATCHES = 1000
"""Limit of a search while other programs start processes all the time."""

PIPE_BYTES = 1 << 18


Spared = Callable[[], frozenset[int]]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Grace:
    """The time that each step of a stop waits before the next step."""

    interrupt_seconds: float = INTERRUPT_GRACE_SECONDS
    terminate_seconds: float = TERMINATE_GRACE_SECONDS
    kill_seconds: float = KILL_GRACE_SECONDS


class RunProcesses:
    """The processes of one run, beginning with its program; those once seen are remembered."""

    def __init__(
        self, program: psutil.Process | None, token: str, spared: Spared | None = None
    ) -> None:
        """Begin with the program, unless it has already ended, and the marker's value.

        `spared` returns the pids of supervisors and managers. They and their descendants belong to
        no run.
        """
        self._program = program
        self._token = token
        self._spared = spared or frozenset
        self._seen = {program} if program else set()

    def find(self) -> set[psutil.Process]:
        """Return all processes that are alive now."""
        found, _ = self._search()
        return found

    def _search(self) -> tuple[set[psutil.Process], bool]:
        """Return all processes that are alive now, and whether there can be no other one.

        Processes that were started during the search are searched, too: a process that starts
        another one and ends would hide it.
        """
        present: list[psutil.Process] = []
        own: set[psutil.Process] = set()
        is_complete = True
        newest = _newest_pid()
        batch = _present()
        for _ in range(MAX_BATCHES):
            spared = self._spared()  # also a supervisor that has registered during the search
            for process in batch:
                if process.pid in spared:
                    continue
                present.append(process)
                is_own = process in self._seen or self._is_marked(process)
                is_complete = is_complete and is_own is not None
                if is_own:
                    own.add(process)
            reached, newest = newest, _newest_pid()
            if newest == reached:
                break
            batch = _started(reached + 1, newest) if newest > reached else _present()
        else:
            is_complete = False
        if own:  # mostly none is left: a run is also searched after its end
            _add_descendants(own, present)
        living = {process for process in own if not has_ended(process)}
        self._seen |= living
        return living, is_complete

    async def stop(self, grace: Grace | None = None) -> None:
        """Interrupt, terminate and kill, until no process is left that a kill can remove.

        It takes at most the sum of the grace periods. A cancellation takes effect only afterwards,
        because a partial stop leaves processes behind.
        """
        _, is_cancelled = await to_its_end(self._climb(grace or Grace()))
        if is_cancelled:
            raise asyncio.CancelledError

    async def _climb(self, grace: Grace) -> None:
        # Search before the first signal: a process that loses its parent is hard to find later.
        if self._none_left():
            return
        _signal(self._foreground(), signal.SIGINT)
        await _until(
            lambda: self._program is None or has_ended(self._program), grace.interrupt_seconds
        )
        if (
            self._none_left(signal.SIGTERM)
            or await _until(self._none_left, grace.terminate_seconds)
            or await _until(lambda: self._none_left(signal.SIGKILL), grace.kill_seconds)
        ):
            return
        if survivors := self.find():
            logger.warning("processes survived SIGKILL: %s", sorted(p.pid for p in survivors))

    def _foreground(self) -> Iterator[psutil.Process]:
        """Yield the process group of the program, which Ctrl-C on a terminal would reach."""
        if self._program is None:
            return
        for process in self._seen:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getpgid(process.pid) == self._program.pid:
                    yield process

    def _none_left(self, number: signal.Signals | None = None) -> bool:
        """Return whether no process is left; otherwise send this signal to those found."""
        found, is_complete = self._search()
        if number is not None:
            _signal(found, number)
        # Twice, because not every system tells that processes were started during the search.
        return not found and is_complete and not self.find()

    def _is_marked(self, process: psutil.Process) -> bool | None:
        """Return whether a process has our marker; None if it has no environment yet."""
        try:
            environment = process.environ()
        except (psutil.Error, OSError):  # it has ended, or we may not read it
            return False
        if not environment and _is_beginning(process):
            return None
        return environment.get(RUN_MARKER) == self._token


def _present() -> Iterator[psutil.Process]:
    """Yield every process of the machine, ended ones too while they have an exit code to give."""
    # Not `process_iter`: its cache may pair a pid with the start time of an earlier owner.
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error):
            yield psutil.Process(pid)


def _started(first: int, last: int) -> Iterator[psutil.Process]:
    """Yield the processes with these pids; threads have pids of the same series."""
    for pid in filter(psutil.pid_exists, range(first, last + 1)):
        with contextlib.suppress(psutil.Error):
            yield psutil.Process(pid)


def _newest_pid() -> int:
    """Return the newest pid of all processes and threads; always 0 if the system has no such file.

    A container may show the file of another namespace. A search there may not be complete.
    """
    try:
        return int(Path("/proc/loadavg").read_text("ascii").split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def _is_beginning(process: psutil.Process) -> bool:
    """Return whether a process is about to begin a program: it has no arguments yet, either.

    Processes of the kernel have none, and no program.
    """
    try:
        return not process.cmdline() and bool(Path(f"/proc/{process.pid}/exe").readlink())
    except (psutil.Error, OSError):  # it has ended, or this is not Linux
        return False


def _add_descendants(own: set[psutil.Process], present: Iterable[psutil.Process]) -> None:
    """Add all present descendants of these processes."""
    children: dict[int, list[psutil.Process]] = {}
    for process in present:
        with contextlib.suppress(psutil.Error):
            children.setdefault(process.ppid(), []).append(process)
    unvisited = [*own]
    while unvisited:
        parent = unvisited.pop()
        for child in children.get(parent.pid, []):
            # An older "child" belongs to an earlier owner of the parent's pid.
            if child not in own and child.create_time() >= parent.create_time():
                own.add(child)
                unvisited.append(child)


def has_ended(process: psutil.Process) -> bool:
    """Return whether a process has ended, whether or not its parent has asked for its exit code."""
    try:
        return not process.is_running() or _is_zombie(process)
    except psutil.Error:
        return True


def _is_zombie(process: psutil.Process) -> bool:
    """Return whether only the exit code of a process is left.

    Linux shows a process as a zombie once its first thread has ended. While other threads run, it
    still works, and holds its files and locks.
    """
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended; psutil compares the start time
            process.send_signal(number)


async def _until(is_reached: Callable[[], bool], seconds: float) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    pause = POLL_SECONDS
    while not is_reached():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(1.2 * pause, LONGEST_POLL_SECONDS)
    return True


async def to_its_end(work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
    """Await work that must not stop halfway; return also whether we were cancelled."""
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            is_cancelled = True
    return task.result(), is_cancelled


async def within(seconds: float, work: Awaitable[object]) -> None:
    """Await work for a limited time; at the limit, it is cancelled."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


class _Pipes(SubprocessStreamProtocol):
    """The pipes as streams, and the end of the program, independent of its pipes.

    asyncio's own `wait` may also wait for the pipes, which a background child can hold open.
    """

    def __init__(self) -> None:
        super().__init__(limit=PIPE_BYTES, loop=asyncio.get_running_loop())
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


class Child:
    """A started program: its pipes, its end, and the processes of its run."""

    def __init__(
        self,
        transport: asyncio.SubprocessTransport,
        pipes: _Pipes,
        token: str,
        spared: Spared | None = None,
    ) -> None:
        self._transport = transport
        self._pipes = pipes
        self.pid = transport.get_pid()
        program = None
        with contextlib.suppress(psutil.NoSuchProcess):  # ended already
            program = psutil.Process(self.pid)
        self.processes = RunProcesses(program, token, spared)

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        spared: Spared | None = None,
    ) -> Self:
        """Start a program in a new process session, with this environment and the run's marker.

        A marker that the environment already has is kept. A cancelled start leaves no process,
        while asyncio would kill only the program and not the processes that it has started.

        Raises:
            OSError: the program or the directory is missing or cannot be used.
        """
        token = environment.get(RUN_MARKER) or uuid.uuid4().hex
        (transport, pipes), is_cancelled = await to_its_end(
            asyncio.get_running_loop().subprocess_exec(
                _Pipes,
                *argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=directory,
                env={**environment, RUN_MARKER: token},
                start_new_session=True,
            )
        )
        child = cls(transport, pipes, token, spared)
        if is_cancelled:
            await child.stop()
            child.close()
            raise asyncio.CancelledError
        return child

    @property
    def stdin(self) -> asyncio.StreamWriter:
        return cast(asyncio.StreamWriter, self._pipes.stdin)  # all three are pipes

    @property
    def stdout(self) -> asyncio.StreamReader:
        return cast(asyncio.StreamReader, self._pipes.stdout)

    @property
    def stderr(self) -> asyncio.StreamReader:
        return cast(asyncio.StreamReader, self._pipes.stderr)

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, or minus the signal's number if a signal killed it."""
        return self._transport.get_returncode()

    async def wait(self) -> int:
        """Wait for the program itself, not for other processes that hold its pipes."""
        await self._pipes.ended.wait()
        return cast(int, self.exit_code)  # it has ended

    async def stop(self, grace: Grace | None = None) -> None:
        """Stop the program and every process of its run; see `RunProcesses.stop`."""
        await self.processes.stop(grace)
        await within(KILL_GRACE_SECONDS, self.wait())

    def pipe(self, number: int) -> IO[bytes]:
        """Return our end of stdin (0), stdout (1) or stderr (2)."""
        transport = cast(asyncio.ReadTransport, self._transport.get_pipe_transport(number))
        return cast(IO[bytes], transport.get_extra_info("pipe"))

    def close(self) -> None:
        """Close the pipes; kill the program if it is still running."""
        self._transport.close()


def shell_exit_code(code: int) -> int:
    """Return an exit code as shells do: 128 plus the signal's number for a killed program."""
    return code if code >= 0 else 128 - code


def signal_name(number: int) -> str:
    """Return the name of a signal: `SIGKILL` for 9, and `signal N` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
