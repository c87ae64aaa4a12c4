"""The verification script of the specification, copied without changes."""

from __future__ import annotations

import ast
import socket
import sys
from pathlib import Path

import pytest

from tests.support.environment import scrubbed_environment
from tests.support.output import output_of
from tests.support.own_network import in_own_network

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

SERVE_AND_RUN = """\
import sys
from pathlib import Path
from tests.support.manager import RunningManager

manager = RunningManager(Path(sys.argv[1]), port=int(sys.argv[2]))
try:
    import subprocess
    environment = {**manager.environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    del environment["AGENT_ORCHESTRATOR_SESSION_MANAGER_URL"]
    script = subprocess.run([sys.executable, "-c", sys.argv[3]], env=environment, timeout=30)
finally:
    manager.stop()
sys.exit(script.returncode)
"""


def is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_script_of_the_specification_prints_expected_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVE_AND_RUN, str(tmp_path), str(PORT), SCRIPT]
    own_network = in_own_network(command)
    if own_network is None and not is_free(PORT):
        pytest.skip(f"this machine has no network namespaces, and port {PORT} is in use")
    printed = output_of(
        own_network or command,
        cwd=ROOT,
        env={**scrubbed_environment(tmp_path), "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
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
