"""The tutorials work: their commands run in order in one shell, and print the text below them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.forked_program import forking_environment
from tests.support.network_namespace import in_required_network
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

TUTORIALS = Path(__file__).parents[2] / "docs/tutorial"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HOME = "/home/me"
"""The home directory on the page."""

ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
VARYING = {
    "process": r"(?<=\(process )\d+(?=\))",
    "date": r"(?m)^\d{4}-\d\d-\d\d UTC[+-]\d\d:\d\d$",
    "time": r"(?<=\] )\d\d:\d\d:\d\d\b",
    "age": r"\b\d+ (?:s|min)\b",
    "count": r"\b\d+(?= events\b)",  # a stop may come before the prompt of its run is recorded
    "code": r"(?<=#code=)[\w-]{43}$",
    "gap": r" {2,}(?=\S)",  # the columns of a table are as wide as their values
}
"""The parts of an output that are different on the page, each with its form."""

SEPARATOR = "-- end of a step --"
CLEAN_UP = "[ $? -eq 0 ] || { ao-stop {open}; agent-session-manager stop; } >/dev/null 2>&1"


def steps(page: str) -> list[tuple[str, str]]:
    """Return the commands of each step, with the output that the page shows below them."""
    found: list[tuple[str, str]] = []
    before = ""
    for language, content in FENCE.findall(page):
        assert language in {"console", "sh", "text"}, language
        if language == "sh":
            found.append((content, ""))
        elif language == "text":
            assert before == "sh", f"no commands precede {content!r}"
            found[-1] = (found[-1][0], content)
        before = language
    return found


def comparable(outputs: list[str], home: str) -> list[str]:
    """Replace the varying parts by their names, and each id by the number of its session."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"<session {numbers.setdefault(found[0], len(numbers) + 1)}>"

    texts = []
    for output in outputs:
        text = ID.sub(number, output.replace(home, HOME))
        for name, form in VARYING.items():
            text = re.sub(form, f"<{name}>", text)
        texts.append(text.strip())
    return texts


@each_row("page, open_session", [("first-session", "work"), ("tour", "parser")])
def test_tutorial_commands_print_the_shown_output(
    tmp_path: Path, page: str, open_session: str
) -> None:
    shown = steps((TUTORIALS / f"{page}.md").read_text("utf-8"))
    assert len(shown) > 2
    script = f"trap '{CLEAN_UP.replace('{open}', open_session)}' EXIT\n"
    script += "".join(f"{commands}echo '{SEPARATOR}'\n" for commands, _ in shown)
    line = in_required_network(["sh", "-eu", "-c", script])
    ran = subprocess.run(
        line,
        cwd=tmp_path,
        env=forking_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=4 * WATCHDOG_SECONDS,
        check=False,
    )
    *outputs, left = ran.stdout.split(f"{SEPARATOR}\n")
    assert (ran.returncode, left) == (0, ""), ran.stdout
    expected = comparable([output for _, output in shown], HOME)
    assert comparable(outputs, str(tmp_path)) == expected
