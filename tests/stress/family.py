"""A program with child processes: `family.py PIDS [KIND …]`. Each process writes its pid to PIDS.

Kinds: `stubborn` (all ignore SIGINT and SIGTERM), `alone` (no children), `polite` (exits on
SIGINT), `lines=N` (prints N numbered lines, then exits; 0: never exits), `until=FILE` (exits as
soon as this file exists), `pause=MS` (between two lines), `slow` (starts more children from time to
time, also during a stop).

It has two children: one in a new session, and one in a new session whose parent has exited.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

pids, *kinds = sys.argv[1:]
options = dict(kind.split("=", 1) for kind in kinds if "=" in kind)
role = options.get("role", "root")

if "stubborn" in kinds:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "polite" in kinds:
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
if role != "root":
    os.setsid()
    if role == "orphan" and os.fork():
        os._exit(0)
if role == "root" and "alone" not in kinds:
    passed = [kind for kind in kinds if "=" not in kind]
    for child in ("session", "orphan"):
        command = [sys.executable, "-S", __file__, pids, *passed, f"role={child}"]
        subprocess.Popen(command, stdin=subprocess.DEVNULL)
with Path(pids).open("a") as file:
    file.write(f"{os.getpid()}\n")
if role != "root":
    while True:
        signal.pause()

number, limit = 0, int(options.get("lines", "0"))
until = Path(options.get("until", f"{pids}.until"))
while not (limit and number == limit) and not until.exists():
    number += 1
    if "slow" in kinds and number % 20 == 0 and number < 400:
        late = [sys.executable, "-S", __file__, pids, "role=late"]
        subprocess.Popen(late, stdin=subprocess.DEVNULL)
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
    time.sleep(int(options.get("pause", "20")) / 1000)
