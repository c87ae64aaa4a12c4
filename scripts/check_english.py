"""Finds words that hide who does what, in every text of the project. `make check` runs it.

The list is short on purpose. It holds the phrases that made readers stop, each with a plain one.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = {".md", ".py", ".ts", ".tsx", ".js", ".css", ".html", ".toml", ".yml", ".mako", ""}
GENERATED = {"dashboard/src/types.gen.ts", "docs/openapi.json", "dashboard/package-lock.json"}
RELEASED = "src/agent_session_manager/sql/migrations/versions/"
TEST_NAME_LENGTH = 60

INSTEAD = {
    r"anew": "again, new",
    r"who(m)?ever": "anyone who, a client that",
    r"of late": "recently",
    r"mend(s|ed|ing)?": "fix",
    r"(is|are|was|were|be|been) told": "name the actor: the server responds, the log says",
    r"came of": "result",
    r"let(s|ting)? in": "authenticate, accept, allow",
    r"so many": "a number, or: up to",
    r"any more": "no longer",
    r"nobody|somebody": "name the actor: no client, another process",
    r"(go|goes|went|going) on": "continue",
    r"meanwhile": "during ..., while ...",
    r"thereof|therein|whereof|hereby": "name the thing",
    r"vouch\w*": "confirm, hold the lease",
    r"obey\w*": "interpret, execute",
    r"of (which|whom)": "two sentences",
    r"(give|gives|given|gave|giving) back": "release, free, return",
    r"put(s|ting)? away": "archive",
    r"one's|(this|that) one": "repeat the noun",
    r"by itself": "automatically, alone",
    r"(is|are|was|were) (?-i:none)": "not a, no longer",
    r"hear(s|d)? of": "receives, learns",
    r"say(s|ing)? so": "state it",
    r"what (there )?(is|are|was|were|came|comes)": "the noun that is meant",
}
WRONG = re.compile(
    "|".join(f"(?P<w{number}>\\b(?:{words})\\b)" for number, words in enumerate(INSTEAD)),
    re.IGNORECASE,
)
OPENING = re.compile(r"(Of|So|What|Whether|With|How|Who|Where)\b(?! many)")


def files() -> list[Path]:
    """Return all files that are committed, or could be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    paths = (ROOT / name for name in sorted({*listed.stdout.split("\0")}) if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def tracked_texts() -> Iterator[Path]:
    """Yield the project's own text files."""
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(RELEASED):  # a migration is not edited after its release
            continue
        if path.suffix in SUFFIXES and name not in GENERATED | {"LICENSE"}:
            yield path


def phrases(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        for found in WRONG.finditer(line):
            words = [*INSTEAD.values()][int(str(found.lastgroup)[1:])]
            yield number, f"{found[0]!r}: {words}"


def definitions(text: str) -> Iterator[tuple[int, str]]:
    """Yield docstrings that begin with neither verb nor noun, and test names that are sentences."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            line = getattr(node, "lineno", 1)
            found = OPENING.match(ast.get_docstring(node) or "")
            if found is not None:
                yield line, f"docstring begins with {found[0]!r}: begin with a verb or a noun"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            is_test = node.name.startswith(("test_", "promise_"))
            if is_test and len(node.name) > TEST_NAME_LENGTH:
                yield node.lineno, f"test name has {len(node.name)} characters: 60 are enough"


def faults(path: Path) -> Iterator[tuple[int, str]]:
    if path == Path(__file__).resolve():
        return
    text = path.read_text("utf-8")
    yield from phrases(text)
    if path.suffix == ".py":
        yield from definitions(text)


def main() -> int:
    """Print each fault as `file:line: words`; the exit code is 1 if there was one."""
    given = [Path(name).resolve() for name in sys.argv[1:]]
    count = 0
    for path in tracked_texts():
        if given and not any(path == one or one in path.parents for one in given):
            continue
        for line, message in faults(path):
            print(f"{path.relative_to(ROOT)}:{line}: {message}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
