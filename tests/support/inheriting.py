"""Run a program as an unusual parent process would: `inheriting.py [OPTION …] -- COMMAND…`.

Options: `signals` (all ignored and blocked), `files` (1,100 inherited), `umask` (000), `closed=012`
(standard streams), `latin` (a terminal that supports only Latin-1).
"""

import os
import resource
import signal
import sys

place = sys.argv.index("--")
options, command = sys.argv[1:place], sys.argv[place + 1 :]
if "files" in options:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    for _ in range(1100):
        os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
if "umask" in options:
    os.umask(0)
if "latin" in options:
    os.environ.update(LC_ALL="C", PYTHONIOENCODING="latin-1:strict")
if "signals" in options:
    numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for option in options:
    for stream in option.removeprefix("closed=") if option.startswith("closed=") else "":
        os.close(int(stream))
os.execvp(command[0], command)
