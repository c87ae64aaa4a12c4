"""`ao`: one name for all commands."""

from __future__ import annotations

import re

from agent_orchestrator.console.command_table import NAMES
from tests.commands.command_names import ALL
from tests.commands.shell import USAGE, call
from tests.support.rows import each_row


def test_ao_lists_every_command_once() -> None:
    listing = call("ao", "--help").stdout
    assert re.findall(r"(?m)^  ([a-z][a-z-]+) {2,}\S", listing) == [*NAMES]
    assert sorted(f"ao-{name}" for name in NAMES) == sorted({*ALL} - {"ao"})
    assert call("ao").stdout == call("ao", "help").stdout == listing


@each_row(
    ("given", "same"),
    [
        (("logs", "--help"), ("ao-logs", "--help")),
        (("ao-logs", "--help"), ("ao-logs", "--help")),
        (("help", "import"), ("ao-import", "--help")),
        (("new", "-p", "hi"), ("ao-new", "-p", "hi")),
        (("wait", "--timeout", "no"), ("ao-wait", "--timeout", "no")),
    ],
)
def test_ao_runs_the_command(given: tuple[str, ...], same: tuple[str, ...]) -> None:
    assert call("ao", *given) == call(*same)


@each_row(
    ("given", "meant"),
    [
        ("log", "; did you mean logs?"),
        ("stats", "; did you mean status?"),
        ("list", "; did you mean list-sessions or list-agents?"),
        ("qqqq", "."),
        ("", "."),
    ],
)
def test_unknown_command_of_ao_names_similar_ones(given: str, meant: str) -> None:
    ended = call("ao", given)
    assert (ended.exit_code, ended.stdout) == (USAGE, "")
    assert ended.stderr == f"ao: no command {given!r}{meant} See ao help.\n"
