"""A pytest plugin: all engines of one kind of database share their compiled statements.

A run of the tests opens thousands of stores, each with two engines, and would spend a third of its
time on compilation.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.shared_statements import shared_statements


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_compiled_cache", shared_statements(), raising=False)
        yield
