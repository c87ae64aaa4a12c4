"""The programs next to the socket of a zygote: each asks the zygote for another fork.

A copy of this file has the name of a command, of the manager, or `python`, the `sys.executable` of
forked programs. Python runs it without `site` and without packages, and it imports only a few
modules. `python` becomes the real one for arguments other than `-m MODULE`; so does the manager
without a zygote of managers. It exits with the code of the forked program, or with 255 if the
zygote has ended. A command ends with it.
"""

import _socket
import marshal
import os
import sys

directory, _, name = sys.argv[0].rpartition("/")
is_python = name == "python"
path = f"{directory}/{'managers' if name == 'agent-session-manager' else 'socket'}"
if is_python and sys.argv[1:2] != ["-m"]:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
if not os.path.exists(path):  # noqa: PTH110  # without an import
    real = f"{sys.executable.rpartition('/')[0]}/{name}"
    os.execv(real, [real, *sys.argv[1:]])

arguments = [*([] if is_python else [name]), *sys.argv[1:]]
request = marshal.dumps(
    {
        "arguments": [os.fsencode(argument) for argument in arguments],
        "environment": dict(os.environb),
        "directory": os.getcwdb(),  # noqa: PTH109  # in bytes
        "python": f"{directory}/python",
        "session": is_python,
        "ends_with_client": name.startswith("ao"),
        "neighbour": os.getpid(),
    }
)
zygote = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
zygote.connect(path)
handed = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
size = len(request).to_bytes(4, "little")
zygote.sendmsg([size], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, handed)])
while request:
    request = request[zygote.send(request) :]
for number in (0, 1, 2):
    os.close(number)  # only the program may hold them
answers = b""
while len(answers) < 8 and (answer := zygote.recv(8)):
    answers += answer
ended = len(answers) == 8
os._exit(int.from_bytes(answers[4:8], "little", signed=True) & 0xFF if ended else 0xFF)
