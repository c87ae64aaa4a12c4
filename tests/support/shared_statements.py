"""Compiled statements that all engines of one kind of database share.

SQLAlchemy compiles each statement again for each engine. Engines of one dialect have the same
options in tests, so one compilation serves all of them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any


class SharedStatements(dict[Any, Any]):
    """Compiled statements by their keys without the first part, the dialect of one engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


def shared_statements() -> property:
    """Return an attribute `_compiled_cache` for the class of all engines."""
    shared: defaultdict[type, SharedStatements] = defaultdict(SharedStatements)
    return property(lambda engine: shared[type(engine.dialect)], lambda _engine, _own: None)
