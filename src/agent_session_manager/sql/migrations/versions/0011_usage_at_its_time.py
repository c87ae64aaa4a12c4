"""Sums of usage at the time of each model request, instead of the start of its run."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
_COUNTS = (*_TOKENS, "cache_creation_1h_tokens", "reasoning_tokens", "web_searches")
_USAGE = (*_COUNTS, "cost_nanodollars", "unpriced_tokens")
_SUMS = ("runs", "requests", "failed", "stopped", "lost", *_USAGE)
# A damaged count counts as 0, and a sum ends at 2^58 and at -2^58. It is added in two parts,
# because SQLite fails if a sum has more than 64 bits.
_COUNTED = "CASE WHEN {0}.{1} BETWEEN 0 AND {2} THEN {0}.{1} ELSE 0 END"
_SUM = """
    CASE WHEN sum({0} / 1048576) >= 274877906944 THEN 288230376151711744
        WHEN sum({0} / 1048576) <= -274877906944 THEN -288230376151711744
        ELSE sum({0} / 1048576) * 1048576 + sum({0} % 1048576) END
"""
_HOUR = "CAST({0} AS BIGINT) - CAST({0} AS BIGINT) % 3600000000"
_IS_VALID = "{0} BETWEEN 0 AND 253402131599999999"
_RUNS = """
    SELECT {hour} AS hour, coalesce({agent}, '') AS agent_name, 1 AS runs, 0 AS requests,
        CASE WHEN reason IN ('failed', 'timeout', 'budget') THEN 1 ELSE 0 END AS failed,
        CASE WHEN reason = 'stopped' THEN 1 ELSE 0 END AS stopped,
        CASE WHEN reason = 'lost' THEN 1 ELSE 0 END AS lost, {usage}
    FROM runs JOIN sessions ON sessions.number = runs.session_number WHERE {is_valid}
"""
_FACTS = """
    SELECT {hour} AS hour, coalesce({agent}, '') AS agent_name, 0 AS runs,
        {requests} AS requests, 0 AS failed, 0 AS stopped, 0 AS lost, {usage}
    FROM usage_facts JOIN runs ON runs.session_number = usage_facts.session_number
        AND runs.run = usage_facts.run
    JOIN sessions ON sessions.number = runs.session_number WHERE {is_valid}
"""


def upgrade() -> None:
    op.create_index("ix_usage_facts_occurred_at", "usage_facts", ["occurred_at"])
    requests = sa.Column("requests", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("usage_sums", requests)
    write_sums(agent="agent_name")


def write_sums(*, agent: str) -> None:
    """Replace all sums. `agent` is the SQL expression for the agent of a session."""
    op.execute("DELETE FROM usage_sums")
    start, time = "runs.started_at", "usage_facts.occurred_at"
    of_run, of_fact = _HOUR.format(start), _HOUR.format(time)
    of_fact = f"CASE WHEN {_IS_VALID.format(time)} THEN {of_fact} ELSE {of_run} END"
    is_valid = _IS_VALID.format(start)
    counts = _counts_of_fact()
    taken = {name: f"-({count})" for name, count in counts.items()}
    shares = [
        _RUNS.format(hour=of_run, usage=_named(_counts_of_run()), is_valid=is_valid, agent=agent),
        *(
            _FACTS.format(
                hour=hour, requests=n, usage=_named(usage), is_valid=is_valid, agent=agent
            )
            for hour, n, usage in ((of_fact, 1, counts), (of_run, 0, taken))
        ),
    ]
    op.execute(
        f"INSERT INTO usage_sums (hour, agent_name, {', '.join(_SUMS)})"
        f" SELECT hour, agent_name, {', '.join(map(_SUM.format, _SUMS))}"
        f" FROM ({' UNION ALL '.join(shares)}) AS shares GROUP BY hour, agent_name"
    )


def _counts_of_run() -> dict[str, str]:
    return {name: _counted("runs", name) for name in _USAGE}


def _counts_of_fact() -> dict[str, str]:
    counts = {name: _counted("usage_facts", name) for name in _USAGE if name != "unpriced_tokens"}
    tokens = " + ".join(counts[name] for name in _TOKENS)
    unpriced = f"CASE WHEN usage_facts.cost_nanodollars IS NULL THEN {tokens} ELSE 0 END"
    return {**counts, "unpriced_tokens": unpriced}


def _counted(table: str, name: str) -> str:
    return _COUNTED.format(table, name, 10**17 if name == "cost_nanodollars" else 10**15)


def _named(usage: dict[str, str]) -> str:
    return ", ".join(f"{count} AS {name}" for name, count in usage.items())
