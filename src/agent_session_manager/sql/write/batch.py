"""The writes of a batch of appends: a few statements for all its events, sessions and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    case,
    func,
    literal,
    update,
)

from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.sql.database.direct import write
from agent_session_manager.sql.database.inserts import insert_rows
from agent_session_manager.sql.schema.rows import USAGE_COLUMNS
from agent_session_manager.sql.schema.tables import events, runs, sessions
from agent_session_manager.sql.write.derived.ancestors import tell_above
from agent_session_manager.sql.write.derived.positions import not_before, take_positions
from agent_session_manager.sql.write.derived.states import set_attention, set_took
from agent_session_manager.sql.write.derived.sums import Sums
from agent_session_manager.sql.write.derived.usage import UsageTold, count_usage
from agent_session_manager.sql.write.notices import deliver_notices, write_notices
from agent_session_manager.sql.write.questions import QuestionTold, take_steps
from agent_session_manager.sql.write.requests import close_waiting, settle_answers

_COLUMNS = (
    "session_number",
    "seq",
    "event_id",
    "run",
    "late",
    "event_type",
    "recorded_at",
    "fields",
    "checksum",
)
_MAX_TOOLS_CHARS = 100
_CONFLICT = "ON CONFLICT (session_number, event_id) WHERE event_id IS NOT NULL DO NOTHING"
_MOVE_ON = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values(
        last_seq=bindparam("seq"),
        last_activity_at=bindparam("now"),
        changed_position=bindparam("position"),
    )
)
# A separate update, because `status` has an index: setting it unchanged costs as much as a change.
_FINISHED = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values(status="finished", state=bindparam("new_state"))
)
_ANSWERED = (
    update(runs)
    .where(runs.c.session_number == bindparam("of"), runs.c.run == bindparam("in_run"))
    .values(answer_seq=bindparam("seq"), outcome=bindparam("line"))
)
_PROMPTED = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"), sessions.c.prompt.is_(None))
    .values(prompt=bindparam("line"))
)
_DENIED = (
    update(runs)
    .where(runs.c.session_number == bindparam("of"), runs.c.run == bindparam("in_run"))
    .values(
        denied_calls=runs.c.denied_calls + 1,
        denied_tools=case(
            (runs.c.denied_tools.is_(None), bindparam("tool", type_=Text)),
            (
                func.length(runs.c.denied_tools) < _MAX_TOOLS_CHARS,
                runs.c.denied_tools + literal(", ") + bindparam("tool", type_=Text),
            ),
            else_=runs.c.denied_tools,
        ),
    )
)
_MOST_SPENT = 2**61


def _sum_of(column: Column[int], added: BindParameter[int]) -> ColumnElement[int]:
    """Return a sum that stays within 64 bits; SQLite would continue with a rounded number."""
    total = column + added
    return case((total > _MOST_SPENT, _MOST_SPENT), else_=total)


_SPENT_IN_RUN = (
    update(runs)
    .where(runs.c.session_number == bindparam("of"), runs.c.run == bindparam("in_run"))
    .values({name: _sum_of(runs.c[name], bindparam("add_" + name)) for name in USAGE_COLUMNS})
)
HAS_TOTAL = (
    update(runs)
    .where(
        runs.c.session_number == bindparam("of"),
        runs.c.run == bindparam("in_run"),
        ~runs.c.has_total,
    )
    .values(has_total=True)
)
_SPENT = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values({name: _sum_of(sessions.c[name], bindparam("add_" + name)) for name in USAGE_COLUMNS})
)
_MASKED = (
    update(sessions)
    .where(sessions.c.number == bindparam("of"))
    .values(masked_secrets=sessions.c.masked_secrets + bindparam("add"))
)
_ENDED = (
    update(runs)
    .where(runs.c.session_number == bindparam("of"), runs.c.run == bindparam("in_run"))
    .values(
        finished_at=not_before(runs.c.started_at, bindparam("now")),
        exit_code=bindparam("code"),
        reason=bindparam("why"),
        outcome=func.coalesce(bindparam("line", type_=Text), runs.c.outcome),
        lease_holder=None,
        lease_expires_at=None,
    )
)


@dataclass
class Writes:
    """The writes of a batch of appends: parameters of one statement for each field."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    """In the order of `_COLUMNS`."""
    sessions: dict[int, dict[str, Any]] = field(default_factory=dict)
    usage: list[UsageTold] = field(default_factory=list)
    prompts: dict[int, str] = field(default_factory=dict)
    """The first prompt of each session without a stored one."""
    answered: list[dict[str, Any]] = field(default_factory=list)
    denied: list[dict[str, Any]] = field(default_factory=list)
    turned: set[int] = field(default_factory=set)
    """Sessions that may expect something else of a person now."""
    masked: list[dict[str, Any]] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)
    finished: list[dict[str, Any]] = field(default_factory=list)
    ended_children: list[int] = field(default_factory=list)
    questions: list[QuestionTold] = field(default_factory=list)
    told_notices: list[dict[str, Any]] = field(default_factory=list)

    def insert_events(self, connection: Connection) -> bool:
        """Insert the events that are not stored yet; return whether all were new."""
        inserted = insert_rows(connection, events.name, _COLUMNS, self.events, conflict=_CONFLICT)
        return inserted == len(self.events)

    def update_the_rest(self, connection: Connection, sums: Sums, price_of: PriceOf) -> int:
        """Write everything but the events; return the number of new model requests."""
        if self.sessions:
            first = take_positions(connection, len(self.sessions))
            for position, moved in enumerate(self.sessions.values(), first):
                moved["position"] = position
        counted = count_usage(connection, self.usage, sums=sums, price_of=price_of)
        spent_in_run, spent = _spent(counted.added)
        totals = [{"of": number, "in_run": run} for number, run in counted.with_total]
        if spent_in_run or self.ended:
            sums.note_runs((each["of"], each["in_run"]) for each in (*spent_in_run, *self.ended))
        for statement, parameters in (
            (_MOVE_ON, list(self.sessions.values())),
            (_SPENT_IN_RUN, spent_in_run),
            (HAS_TOTAL, totals),
            (_SPENT, spent),
            (_MASKED, self.masked),
            (_PROMPTED, [{"of": of, "line": line} for of, line in self.prompts.items()]),
            (_ANSWERED, self.answered),
            (_DENIED, self.denied),
            (_ENDED, self.ended),
            (_FINISHED, self.finished),
        ):
            if parameters:
                write(connection, statement, parameters)
        if self.questions:
            take_steps(connection, self.questions)
            settle_answers(connection, self.questions)
        set_attention(connection, self.turned)
        set_took(connection, (end["of"] for end in self.ended))
        deliver_notices(connection, self.told_notices)
        if self.ended_children:
            tell_above(connection, self.ended_children)
        for end in self.ended:
            close_waiting(connection, end["of"], up_to_run=end["in_run"], now=end["now"])
            write_notices(connection, [(end["of"], end["in_run"])], now=end["now"])
        return counted.new_requests


def _spent(
    added: Mapping[tuple[int, int], Mapping[str, int]],
) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """Return the parameters of `_SPENT_IN_RUN` and `_SPENT` for usage that was added to runs."""
    in_run, in_session = [], []
    for (number, run), counts in added.items():
        of_session = {"of": number, **{"add_" + name: count for name, count in counts.items()}}
        in_session.append(of_session)
        in_run.append({"in_run": run, **of_session})
    return in_run, in_session
