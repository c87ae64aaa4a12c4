"""Report to a beacon and wait until killed: `lingering.py SOCKET [KIND …]`.

Kinds: `detached` (a new session, parent gone), `session` (a new session), `stubborn` (ignores
SIGINT and SIGTERM), `polite` (exits with 0 on SIGINT), `hydra` (on SIGTERM, starts a new copy
before it exits), `parent` (also starts a child that waits in a new session), `scrubbing` (the same
with an empty environment for the child).
It also ends when the beacon is closed.
"""

import os
import signal
import socket
import subprocess
import sys

path, kinds = sys.argv[1], sys.argv[2:]


def start(*kinds: str, environment: "dict[str, str] | None" = None) -> None:
    command = [sys.executable, "-I", "-S", __file__, path, *kinds]
    subprocess.Popen(command, close_fds=False, env=environment)


def grow_again(*_: object) -> None:
    start("detached")
    os._exit(0)


if "detached" in kinds and os.fork():
    os._exit(0)
if "detached" in kinds or "session" in kinds:
    os.setsid()
if "stubborn" in kinds:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "polite" in kinds:
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
if "hydra" in kinds:
    signal.signal(signal.SIGTERM, grow_again)
if "parent" in kinds:
    start("session")
if "scrubbing" in kinds:
    start("session", environment={})
connection = socket.socket(socket.AF_UNIX)
connection.connect(path)
connection.sendall(f"{os.getpid()} {' '.join(kinds)}\n".encode())
connection.recv(1)
