"""The verification script of the specification, copied without changes."""

from __future__ import annotations

import ast
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_session_manager.machine.discovery import find_manager
from tests.support.environment import BIN, scrubbed_environment
from tests.support.forked_program import ForkedProgram
from tests.support.network_namespace import holder_of, network_namespace
from tests.support.output import output_of
from tests.support.own_network import in_own_network
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

ROOT = Path(__file__).parents[2]
PORT = 8765  # the port in the script

SCRIPT = """\
# Test client manually
import sys
sys.path.insert(0, 'plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib')

from session_client import SessionClient

client = SessionClient("http://localhost:8765")

# Should work if Phase 1 is complete
session = client.create_session("test-456", "test-session", "/tmp", None)
print(session)

status = client.get_status("test-456")
print(f"Status: {status}")

sessions = client.list_sessions()
print(f"Sessions: {len(sessions)}")

client.delete_session("test-456")
"""


def is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture
def network() -> Iterator[tuple[str, ...]]:
    """Yield a prefix for commands in a network with a free port; it is empty for our own."""
    if in_own_network(["true"]) is not None:
        with network_namespace() as prefix:
            yield prefix
    elif is_free(PORT):
        yield ()
    else:
        pytest.skip(f"this machine has no network namespaces, and port {PORT} is in use")


def test_script_of_the_specification_prints_expected_output(
    network: tuple[str, ...], tmp_path: Path
) -> None:
    environment = scrubbed_environment(tmp_path)
    manager = ForkedProgram(
        [str(BIN / "agent-session-manager"), "serve"],
        environment=environment,
        directory=tmp_path,
        neighbour=holder_of(network),
    )
    try:
        state = Path(environment["XDG_STATE_HOME"]) / "agent-orchestrator"
        wait_for(lambda: find_manager(state, PORT), "the manager serves")
        printed = output_of(
            [*network, sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        )
    finally:
        manager.send_signal(signal.SIGTERM)
        _, log = manager.communicate(timeout=WATCHDOG_SECONDS)
    assert manager.returncode == 0, log
    session, status, sessions = printed.splitlines()
    assert (status, sessions) == ("Status: running", "Sessions: 1")
    known = ("session_id", "session_name", "project_dir", "agent_name", "status")
    assert {name: ast.literal_eval(session)[name] for name in known} == {
        "session_id": "test-456",
        "session_name": "test-session",
        "project_dir": "/tmp",
        "agent_name": None,
        "status": "running",
    }
