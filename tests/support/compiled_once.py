"""A pytest plugin: all engines of one kind of database share their compiled statements.

SQLAlchemy compiles each statement again for each engine. A run of the tests opens thousands of
stores, each with two engines, and would spend a third of its time on that. Engines of one dialect
have the same options here, so one compilation serves all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine


class SharedStatements(dict[Any, Any]):
    """Compiled statements by their keys without the first part, the dialect of one engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    shared: defaultdict[type, SharedStatements] = defaultdict(SharedStatements)
    cache = property(lambda engine: shared[type(engine.dialect)], lambda _engine, _own: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_compiled_cache", cache, raising=False)
        yield
