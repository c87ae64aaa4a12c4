"""The table of usage: its width, its numbers, and unknown costs."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from agent_orchestrator.console.tables.usage import (
    COLUMNS,
    MIN_NAME_CHARS,
    age_of_prices,
    cost,
    count,
    dollars,
    lines,
    sources,
)
from agent_orchestrator.console.terminal.output import clean
from agent_orchestrator.console.terminal.screen import Screen
from tests.support.rows import each_row

LARGEST = 2**60
LEAST_WIDTH = MIN_NAME_CHARS + 51
"""Enough for the shortest names, and the columns with numbers up to `LARGEST` that always stay."""


def usage(tokens: int = 0, nanodollars: int = 0, unpriced: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": tokens,
        "cache_read_tokens": 0,
        "cache_creation_tokens": 0,
        "output_tokens": 0,
        "cost_nanodollars": nanodollars,
        "unpriced_tokens": unpriced,
    }


def row(
    used: dict[str, Any],
    *,
    by_agents: int = 0,
    by_table: int = 0,
    dates: tuple[Any, Any] | None = None,
) -> dict[str, Any]:
    oldest, newest = dates or (None, None)
    return {
        "requests": 3,
        "usage": used,
        "agent_cost_nanodollars": by_agents,
        "table_cost_nanodollars": by_table,
        "oldest_prices": oldest,
        "newest_prices": newest,
    }


@each_row(
    "number, text",
    [
        (0, "0"), (999, "999"), (1000, "1.00k"), (9994, "9.99k"), (9996, "10.0k"), (99_960, "100k"),
        (1_250_000, "1.25M"), (45_000_000_000, "45.0G"), (10**15, "1000T"), (-8, "-8"),
        (-12_300, "-12.3k"),
    ],
)  # fmt: skip
def test_counts_have_three_digits_and_a_unit(number: int, text: str) -> None:
    assert count(number) == text


@each_row(
    "nanodollars, text",
    [
        (0, "$0.00"), (6_284_000, "$0.0063"), (1, "<$0.0001"), (99_999, "<$0.0001"),
        (10_000_000, "$0.01"), (1_234_567_890_000, "$1,234.57"), (-20_000_000, "-$0.02"),
    ],
)  # fmt: skip
def test_amounts_are_never_rounded_to_nothing(nanodollars: int, text: str) -> None:
    assert dollars(nanodollars) == text


@each_row(
    "used, text",
    [
        (usage(), "-"), (usage(5, 0, 5), "unknown"), (usage(9, 10**9, 5), "$1.00 + unknown"),
        (usage(9, 10**9), "$1.00"), (usage(9), "$0.00"),
    ],
)  # fmt: skip
def test_unknown_cost_is_not_0_dollars(used: dict[str, Any], text: str) -> None:
    assert cost(used) == text


@given(
    names=st.lists(st.text(max_size=200), min_size=1, max_size=5),
    tokens=st.integers(-LARGEST, LARGEST),
    width=st.integers(LEAST_WIDTH, 300),
)
@example(names=["/" * MIN_NAME_CHARS], tokens=-LARGEST, width=LEAST_WIDTH)
def test_table_fits_the_terminal(names: list[str], tokens: int, width: int) -> None:
    rows = [(name, row(usage(tokens, abs(tokens), 5))) for name in names]
    printed = list(lines(rows, title="PROJECT", screen=Screen(width=width)))
    assert len(printed) > len(names) + 1
    assert all(len(line) <= width for line in printed)
    assert [clean(line) for line in printed] == printed


def test_only_a_terminal_shortens_names_and_keeps_their_end() -> None:
    rows = [("/home/me/" + "long/" * 20 + "end", row(usage(1200, 10**9)))]
    header, line, _ = lines(rows, title="PROJECT", screen=Screen())
    assert line.startswith(rows[0][0])
    assert re.split("  +", header) == ["PROJECT", *COLUMNS]
    assert re.split("  +", line)[1:] == ["3", "1.20k", "0", "0", "0", "$1.00"]
    _, line, _ = lines(rows, title="PROJECT", screen=Screen(width=100))
    assert re.match("….*/end ", line)
    assert len(line) == 100


@each_row(
    "total, text",
    [
        (row(usage()), "Cost: nothing was used."),
        (row(usage(5, 0, 5)), "Cost: unknown for 5 tokens."),
        (
            row(
                usage(5, 3 * 10**9), by_agents=10**9, by_table=2 * 10**9, dates=("2026-08-21",) * 2
            ),
            "Cost: $1.00 reported by agents; $2.00 computed with the prices of 2026-08-21.",
        ),
        (
            row(usage(5, 10**9, 7), by_table=10**9, dates=("2026-01-02", "2026-08-21")),
            "Cost: $1.00 computed with the prices of 2026-01-02 to 2026-08-21; "
            "unknown for 7 tokens.",
        ),
    ],
)
def test_last_line_names_the_sources_of_the_cost(total: dict[str, Any], text: str) -> None:
    assert sources(total) == text


def test_prices_older_than_90_days_are_old() -> None:
    total = row(usage(), dates=("2026-01-01", "2026-08-21"))
    assert age_of_prices(total, date(2026, 11, 19)) is None
    assert age_of_prices(total, date(2026, 11, 20)) == 91
    assert age_of_prices(row(usage()), date(2026, 11, 20)) is None
