"""The variables with the places of agents: an import in the background needs all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_orchestrator.history.importer.sources.format_table import all_formats
from agent_shared.agent_places import AGENT_PLACES


class Asked(Mapping[str, str]):
    """Variables that are not set, with the names that were asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_list_has_every_variable_of_the_formats() -> None:
    asked = Asked()
    for form in all_formats().values():
        form.roots(Path("/home/user"), asked)
    assert asked.names == set(AGENT_PLACES)
