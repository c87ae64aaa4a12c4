"""The usage facts of an import: derived from usage events, then replaced by the exported facts.

Exports of earlier versions have no facts. Facts of imported history are not in any event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select

from agent_session_manager.domain.errors import InvalidEventError
from agent_session_manager.domain.events.event import parse_event
from agent_session_manager.sql.schema.tables import usage_facts
from agent_session_manager.sql.write.batch import HAS_TOTAL
from agent_session_manager.sql.write.derived.usage import UsageTold, count_usage, unpriced

Values = dict[str, Any]

_KNOWN = select(usage_facts.c.request_key, usage_facts.c.session_number).where(
    usage_facts.c.request_key.in_(bindparam("keys", expanding=True))
)
_DELETE = delete(usage_facts).where(usage_facts.c.request_key == bindparam("key"))


def derive_facts(connection: Connection, session_id: str, events: Sequence[Values]) -> None:
    """Create the facts of the usage events of a session. The sums came with its runs."""
    told = list(_told(session_id, events))
    counted = count_usage(connection, told, sums=None, price_of=unpriced)
    if counted.with_total:
        totals = [{"of": number, "in_run": run} for number, run in counted.with_total]
        connection.execute(HAS_TOTAL, totals)


def replace_facts(connection: Connection, facts: Sequence[Values], *, after: int) -> list[Values]:
    """Delete the derived facts that exported facts replace; return the facts to insert.

    A request of a session up to the number `after` keeps its fact: the session was there before.
    """
    found = connection.execute(_KNOWN, {"keys": [fact["request_key"] for fact in facts]})
    kept = {row.request_key for row in found if row.session_number <= after}
    new = [fact for fact in facts if fact["request_key"] not in kept]
    if new:
        connection.execute(_DELETE, [{"key": fact["request_key"]} for fact in new])
    return new


def _told(session_id: str, events: Sequence[Values]) -> Iterator[UsageTold]:
    for row in events:
        if row["event_type"] != "usage":
            continue
        fields = {**orjson.loads(row["fields"]), "event_type": "usage"}
        try:
            new = parse_event(fields, session_id=session_id)
        except InvalidEventError:  # an export may have events that no manager would store
            continue
        assert new.usage is not None
        yield UsageTold(row["session_number"], row["run"], new.usage)
