"""Unified diffs: they turn one text into the other, however different the texts are."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.events.unified_diff import unified_diff
from tests.support.rows import each_row

TEXTS = st.lists(st.sampled_from(["a", "b", "c", " d", "", "-e", "+f"]), max_size=40).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)
NUMBERED = "{}\n" * 97


def applied(before: str, diff: str) -> str:
    """Apply a diff as `patch` does: all context and all removed lines must be where it says."""
    old, new, at = before.split("\n")[:-1], [], 0
    for hunk in re.split(r"^(?=@@ )", diff, flags=re.MULTILINE)[1:]:
        head, *lines = hunk.split("\n")[:-1]
        found = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", head)
        assert found is not None, head
        begin, count = int(found[1]), int(found[2] or 1)
        begin -= count > 0
        new += old[at:begin]
        assert [line[1:] for line in lines if line[0] in " -"] == old[begin : begin + count]
        added = [line[1:] for line in lines if line[0] in " +"]
        assert len(added) == int(found[4] or 1)
        assert len(new) + bool(added) == int(found[3])
        new += added
        at = begin + count
    return "".join(f"{line}\n" for line in [*new, *old[at:]])


@given(TEXTS, TEXTS)
def test_diff_turns_one_text_into_the_other(before: str, after: str) -> None:
    diff = unified_diff(before, after, old_name="x", new_name="y")
    assert applied(before, diff) == after
    assert (diff == "") == (before == after)


@each_row(
    "before, after",
    [
        (NUMBERED.format(*range(97)) * 600, NUMBERED.format(*range(89, 0, -1), *range(8)) * 600),
        ("a\nb\n" * 30_000, "b\na\na\n" * 20_000),
        ("\n" * 100_000, "x\n" * 100_000),
    ],
    ids=["repeated", "two", "other"],
)  # fmt: skip
def test_many_changes_are_shown_as_one(before: str, after: str) -> None:
    """To find each of them takes a time that grows with the square."""
    before, after = f"same\n{before}same\n", f"same\n{after}same\n"
    diff = unified_diff(before, after, old_name="x", new_name="y")
    assert diff.count("\n@@") == 1
    assert not re.search("^[+-].*\n .*\n[+-]", diff, re.MULTILINE)
    assert applied(before, diff) == after


def test_few_changes_in_a_long_text_are_shown_apart() -> None:
    lines = [f"{n % 50}" for n in range(60_000)]
    changed = ["x" if n % 6_000 == 9 else line for n, line in enumerate(lines)]
    diff = unified_diff("\n".join(lines), "\n".join(changed), old_name="x", new_name="y")
    assert diff.count("\n@@") == 10
    assert diff.count("\n-") == diff.count("\n+x") == 10
