"""Resets the state that a process inherits from its parent.

That state is closed standard streams, ignored or blocked signals, and being the first process of a
container.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

_FROM_A_TERMINAL = {
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
}
"""Signals that a shell ignores on purpose, for `nohup` and for background programs."""
_OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""Signals that Python ignores for itself; its children get the default."""
_NOT_FORWARDED = {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}


def begin() -> None:
    """Reset our own process. Every program of ours calls this first."""
    _open_standard_streams()
    _reset_signals()
    if os.getpid() == 1:
        _begin_as_first_process()


def _open_standard_streams() -> None:
    """Open /dev/null for each closed stream. Otherwise the next opened file would replace it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # `open` returns the lowest free number, which is `number`.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # a descriptor
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
        stream = getattr(sys, name)
        # Characters that the terminal cannot show are printed as question marks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _reset_signals() -> None:
    has_terminal = os.getsid(0) != os.getpid()
    kept = _OF_PYTHON | (_FROM_A_TERMINAL if has_terminal else set())
    for number in signal.valid_signals() - kept:
        with suppress(OSError, ValueError):  # the signal cannot be changed
            if signal.getsignal(number) is signal.SIG_IGN:
                is_interrupt = number == signal.SIGINT
                usual = signal.default_int_handler if is_interrupt else signal.SIG_DFL
                signal.signal(number, usual)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _begin_as_first_process() -> None:
    """Continue in a child, and be its init process.

    The kernel delivers a signal to the first process only if that has a handler. It also makes the
    first process the parent of all orphans. A container ends with its first process. So SIGTERM
    reaches the program as SIGINT, like Ctrl-C elsewhere. Code that delays Ctrl-C for a moment
    delays SIGTERM too.
    """
    signals = signal.valid_signals() - _NOT_FORWARDED
    signal.pthread_sigmask(signal.SIG_BLOCK, {*signals, signal.SIGCHLD})
    child = os.fork()
    if child:
        _look_after(child, {*signals, signal.SIGCHLD})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _look_after(child: int, signals: set[int]) -> NoReturn:
    """Forward signals to the child, reap ended processes, and end as the child does."""
    while True:
        came = signal.sigwaitinfo(signals)
        if came.si_signo != signal.SIGCHLD:
            # A signal from the terminal has already reached the child.
            if came.si_code <= 0:
                is_end = came.si_signo == signal.SIGTERM
                os.kill(child, signal.SIGINT if is_end else came.si_signo)
            continue
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    code = os.waitstatus_to_exitcode(ended[1])
                    os._exit(code if code >= 0 else 128 - code)
