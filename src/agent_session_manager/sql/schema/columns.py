"""The types of columns that several tables have, the columns of usage, and partial indexes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex

from agent_session_manager.domain.sessions.session import Usage

# SQLite numbers rows automatically only in a column of exactly this type.
Number = BigInteger().with_variant(Integer(), "sqlite")

# Compared byte by byte, so that ids with the same prefix are one range of the index. PostgreSQL
# cannot use an index to compare columns of different collations, so all columns of ids have it.
SessionId = String(128).with_variant(String(128, collation="C"), "postgresql")


def usage_columns() -> list[Column[int]]:
    return [
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in Usage.__dataclass_fields__
    ]


@compiles(CreateIndex, "postgresql")
def _with_condition(create: CreateIndex, compiler: Any, **options: Any) -> str:
    """Give a partial index the condition that it has on SQLite.

    An index that names PostgreSQL would load all of its dialect, also in a manager on SQLite.
    """
    index: Any = create.element
    condition = index.dialect_options["sqlite"]["where"]
    if condition is not None:
        index.dialect_options["postgresql"]["where"] = condition
    created: str = compiler.visit_create_index(create, **options)
    return created
