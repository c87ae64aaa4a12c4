"""Processes of commands, of supervisors and of managers, and their ends."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from agent_orchestrator.machine.environment import outbox_dir
from agent_orchestrator.machine.processes import RunProcesses, has_ended
from agent_orchestrator.runs.registry import RegisteredRun, list_registered
from agent_session_manager.machine.discovery import find_managers
from tests.commands.command_names import COMMANDS
from tests.support.forked_program import ForkedProgram
from tests.support.waiting import wait_for

Process = subprocess.Popen[bytes] | ForkedProgram
HOOK = COMMANDS.parents[2] / "hooks" / "note.sh"


def is_alive(pid: int) -> bool:
    try:
        return not has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def is_waiting(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_SLEEPING


def end_runs(state_dir: Path) -> None:
    """Kill the supervisors of this state directory and their runs; remove the files of the runs."""
    for entry in list_registered(state_dir):
        if entry.is_supervised:
            _kill_and_wait(entry.run.pid)
        for process in RunProcesses(None, entry.run.marker).find():
            _kill_and_wait(process.pid)
        entry.path.unlink(missing_ok=True)
        for left in outbox_dir(state_dir).glob(f"{entry.run.session_id}.*"):
            left.unlink(missing_ok=True)


def end_noted_imports(state_dir: Path) -> None:
    """End the imports that hooks have started, also those that have only begun. Notes remain."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            given = process.environ().get("AGENT_ORCHESTRATOR_STATE_DIR")
            is_import = {"--noted", HOOK.name} & {Path(word).name for word in process.cmdline()}
            if given == str(state_dir) and is_import:
                _kill_and_wait(process.pid)


def kill(pid: int) -> None:
    """Kill a process, unless it has already ended."""
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).kill()


def _kill_and_wait(pid: int) -> None:
    kill(pid)
    wait_for(lambda: not is_alive(pid), "the process is dead")


def supervisor_of(state_dir: Path, session_id: str) -> RegisteredRun:
    """Return the supervisor of a session's current run."""
    (entry,) = (e for e in list_registered(state_dir) if e.run.session_id == session_id)
    assert entry.is_supervised
    return entry.run


def kill_supervisor(state_dir: Path, session_id: str) -> RegisteredRun:
    """Kill the supervisor of a session's run with SIGKILL, so that it cannot clean up."""
    run = supervisor_of(state_dir, session_id)
    _kill_and_wait(run.pid)
    return run


def stop_manager(state_dir: Path) -> None:
    """Stop all managers that commands have started with this state directory."""
    managers = find_managers(state_dir) if state_dir.exists() else []
    for manager in managers:
        with suppress(ProcessLookupError):  # it ends at this moment
            os.kill(manager.pid, signal.SIGTERM)
    wait_for(lambda: not any(is_alive(m.pid) for m in managers), "the managers end")
