"""Lines that a program overwrites, as a progress bar does, in their last state."""

from __future__ import annotations


def last_states(text: str) -> str:
    r"""Return an output with the last state of each line that was overwritten.

    A program overwrites a line after a carriage return, as in `10%\r20%\r`. The record keeps all
    states.
    """
    if "\r" not in text:
        return text
    lines = (line.rstrip("\r") for line in text.split("\n"))
    return "\n".join(line.rpartition("\r")[2] for line in lines)
