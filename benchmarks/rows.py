"""The table of rows: each name, and the function that measures the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.agent_rows import rows as agent_rows
from benchmarks.append_rows import append_rate, client_rate, indexed_rate, list_rate
from benchmarks.command_rows import detach_time, status_time
from benchmarks.effort import Effort
from benchmarks.feed_rows import follow_time
from benchmarks.growth_rows import rows as growth_rows
from benchmarks.import_rows import import_memory, import_rate, unchanged_time
from benchmarks.measure import Row
from benchmarks.memory_rows import agent_rows as agent_memory_rows
from benchmarks.memory_rows import manager_memory, supervisor_memory
from benchmarks.page_rows import rows as page_rows
from benchmarks.pressure_rows import goodput, malformed_memory
from benchmarks.search_rows import command_time
from benchmarks.search_rows import rows as search_rows

ROWS: Mapping[str, Callable[[Effort], Row]] = {
    "append": append_rate,
    "append indexed": indexed_rate,
    "lists": list_rate,
    "client": client_rate,
    "status": status_time,
    "detach": detach_time,
    **agent_rows(),
    "follow": follow_time,
    **page_rows(),
    **growth_rows(),
    **search_rows(),
    "ao-search": command_time,
    "manager memory": manager_memory,
    "supervisor memory": supervisor_memory,
    **agent_memory_rows(),
    "import": import_rate,
    "import unchanged": unchanged_time,
    "import memory": import_memory,
    "overload": goodput,
    "malformed memory": malformed_memory,
}
