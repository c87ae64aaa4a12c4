"""Overwritten lines of outputs: the record has all states, and people see the last one."""

from __future__ import annotations

from agent_orchestrator.console.events.look import Look
from agent_orchestrator.console.terminal.output import one_line
from agent_orchestrator.events.last_states import last_states
from agent_orchestrator.events.output_text import OutputText
from tests.support.rows import each_row


@each_row(
    "text, shown",
    [
        ("10%\r20%\r100%\n", "100%\n"),
        ("10%\r20%\r", "20%"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("a\r\r\nb", "a\nb"),
        ("\r", ""),
        ("one\n\r1\r2\nlast", "one\n2\nlast"),
        ("plain\n\ntext\n", "plain\n\ntext\n"),
    ],
)
def test_overwritten_line_is_shown_in_its_last_state(text: str, shown: str) -> None:
    assert last_states(text) == shown


def test_nothing_but_output_loses_a_state() -> None:
    """In a command or a name, an overwritten part could hide the real one."""
    hiding = "rm -rf x\rls"
    output = {"event_type": "post_tool"}
    assert Look().body(hiding, output) == ["ls"]
    assert Look().body(hiding, {"event_type": "pre_tool"}) == ["rm -rf x", "ls"]
    assert one_line(hiding) == "rm -rf x ls"


def test_last_lines_of_an_output_count_no_states() -> None:
    output = OutputText()
    output.add(b"fatal: no space\n" + b"".join(b"%d%%\r" % n for n in range(100)), final=True)
    assert output.last_lines(2) == "fatal: no space\n99%"
