"""The `sys.executable` of programs forked from a zygote: it asks the zygote for another fork.

A copy of this file is next to the socket of the zygote. Python runs it without `site` and without
packages, and it imports only a few modules. For arguments other than `-m MODULE` it becomes the
real Python. It exits with the code of the forked program, or with 255 if the zygote has ended.
"""

import _socket
import marshal
import os
import sys

if sys.argv[1:2] != ["-m"]:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])

request = marshal.dumps(
    {
        "arguments": [os.fsencode(argument) for argument in sys.argv[1:]],
        "environment": dict(os.environb),
        "directory": os.getcwdb(),  # noqa: PTH109  # in bytes
        "python": sys.argv[0],
        "session": True,
        "neighbour": os.getpid(),
    }
)
zygote = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
zygote.connect(sys.argv[0].removesuffix("python") + "socket")
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
