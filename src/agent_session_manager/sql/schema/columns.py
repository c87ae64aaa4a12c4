"""The types of columns that several tables have, and the columns of usage."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String

from agent_session_manager.domain.session import Usage

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
