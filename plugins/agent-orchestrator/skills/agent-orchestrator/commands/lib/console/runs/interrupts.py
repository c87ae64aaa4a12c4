"""Holding Ctrl-C back from the opening of a run until this command can stop the run."""

from __future__ import annotations

import signal


class _HeldInterrupts:
    """A SIGINT handler that only remembers.

    The run's program does not inherit the handler, because `exec` resets handlers.
    """

    came = False

    def __call__(self, *_: object) -> None:
        self.came = True


def hold_interrupts() -> None:
    """Hold Ctrl-C until `release_interrupts`."""
    signal.signal(signal.SIGINT, _HeldInterrupts())


def release_interrupts() -> None:
    """Restore the default handler, and raise a Ctrl-C that was held.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed in the meantime.
    """
    held = signal.signal(signal.SIGINT, signal.default_int_handler)
    if isinstance(held, _HeldInterrupts) and held.came:
        raise KeyboardInterrupt
