"""The progress of an import on a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.commands.shell import DONE, Shell
from tests.support.transcript_files import Transcript


def test_import_on_a_terminal_shows_its_progress(
    person: Shell, home: Path, numbers: Callable[[], Transcript]
) -> None:
    """The files, the bytes that were read of all, the rate, and the time left."""
    for _ in range(3):
        made = numbers()
        for place in range(20):
            made.turn(f"turn {place}")
        made.write(home)
    with person.having(COLUMNS="100").on_terminal("ao-import") as terminal:
        exit_code, screen = terminal.end()
    assert exit_code == DONE
    frames = re.findall(
        r"3 files .*?([\d.]+)/([\d.]+) kB\S* +(\S+ .B/s|\?).*?(-?[-:\d]{7,})", screen
    )
    assert frames, screen
    read, total, rate, left = frames[-1]
    assert (read, left) == (total, "0:00:00") and rate != "?", frames
