"""What a process inherits from its parent, put into the state that our programs rely on.

Closed standard streams, ignored or blocked signals, and being the first process of a container. The
same file is in both houses, which share nothing but the wire; a test holds them equal.
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
"""What a shell ignores on purpose, for `nohup` and in the background, for a program on it."""
_OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""What Python ignores for itself; its children get the default."""
_NOT_FORWARDED = {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}


def begin() -> None:
    """Put our own process in order; every program of ours calls it before anything else."""
    _open_standard_streams()
    _reset_signals()
    if os.getpid() == 1:
        _begin_as_first_process()


def _open_standard_streams() -> None:
    """Open /dev/null where a stream is closed, or the next file opened would be taken for it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # a descriptor
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115
        stream = getattr(sys, name)
        # An answer is printed whatever the terminal can show, if need be with question marks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _reset_signals() -> None:
    has_terminal = os.getsid(0) != os.getpid()
    kept = _OF_PYTHON | (_FROM_A_TERMINAL if has_terminal else set())
    for number in signal.valid_signals() - kept:
        with suppress(OSError, ValueError):  # one that nobody can change
            if signal.getsignal(number) is signal.SIG_IGN:
                is_interrupt = number == signal.SIGINT
                usual = signal.default_int_handler if is_interrupt else signal.SIG_DFL
                signal.signal(number, usual)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _begin_as_first_process() -> None:
    """Go on in a child, and be to it what the first process of a system is.

    The kernel delivers to the first process no signal that it has no handler for, and makes it the
    parent of all that lose theirs. A container ends with it, so a termination is for its program
    what Ctrl-C is elsewhere, also where that is held back for a moment.
    """
    signals = signal.valid_signals() - _NOT_FORWARDED
    signal.pthread_sigmask(signal.SIG_BLOCK, {*signals, signal.SIGCHLD})
    child = os.fork()
    if child:
        _look_after(child, {*signals, signal.SIGCHLD})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _look_after(child: int, signals: set[int]) -> NoReturn:
    """Forward signals to the child and bury whoever dies; end as the child does."""
    while True:
        came = signal.sigwaitinfo(signals)
        if came.si_signo != signal.SIGCHLD:
            # One that the terminal sent has reached the child already.
            if came.si_code <= 0:
                is_end = came.si_signo == signal.SIGTERM
                os.kill(child, signal.SIGINT if is_end else came.si_signo)
            continue
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    code = os.waitstatus_to_exitcode(ended[1])
                    os._exit(code if code >= 0 else 128 - code)
