"""Commands in a network namespace that has only a loopback, with every port free.

As a program (`python own_network.py COMMAND…`, under `unshare`): bring the loopback up, and become
the command.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def in_own_network(command: Sequence[str]) -> list[str] | None:
    """Return a command that runs `command` there, or None if this machine does not permit it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    prefix = (unshare, "--map-root-user", "--net", sys.executable, __file__)
    return [*prefix, *command] if _is_permitted(prefix) else None


@cache
def _is_permitted(prefix: tuple[str, ...]) -> bool:
    tried = subprocess.run([*prefix, "true"], capture_output=True, timeout=60, check=False)
    return tried.returncode == 0


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        (flags,) = struct.unpack("16xh14x", answer)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


if __name__ == "__main__":
    _bring_loopback_up()
    os.execvp(sys.argv[1], sys.argv[1:])
