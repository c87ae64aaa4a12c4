"""Agent definitions as a table; on a terminal their descriptions are cut to its width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...agents.agent import Agent
from ...runs.executor_table import DEFAULT_EXECUTOR
from ..terminal.cells import cells_of, cut
from ..terminal.output import one_line
from ..terminal.screen import Screen

COLUMNS = ("NAME", "EXECUTOR", "MODEL", "DESCRIPTION")
_DESCRIPTION_CHARS = 72
_MIN_DESCRIPTION = 12
_GAP = "  "


def lines(agents: Sequence[Agent], screen: Screen) -> Iterator[str]:
    """Yield a header and a line for each agent."""
    rows = [_row(agent) for agent in agents]
    *widths, _ = (max(map(cells_of, column)) for column in zip(COLUMNS, *rows, strict=True))
    left = _DESCRIPTION_CHARS
    if screen.width is not None:
        left = max(screen.width - sum(widths) - len(_GAP) * len(widths), _MIN_DESCRIPTION)
    for number, (*cells, about) in enumerate((COLUMNS, *rows)):
        padded = (
            cell + " " * (width - cells_of(cell)) for cell, width in zip(cells, widths, strict=True)
        )
        line = _GAP.join([*padded, cut(about, left)]).rstrip()
        yield screen.styled(line, bold=True) if number == 0 else line


def _row(agent: Agent) -> tuple[str, ...]:
    about = agent.description[:_DESCRIPTION_CHARS]
    cells = (agent.name, agent.executor or DEFAULT_EXECUTOR, agent.model or "", about)
    return tuple(one_line(cell) for cell in cells)
