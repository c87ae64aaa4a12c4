"""The tables in SQLAlchemy Core. A test checks that `migrations` creates the same tables.

Moments are integers on both databases: microseconds since 1970 in UTC. Sessions have an internal
number along with their id, so that the large tables store eight bytes and not the caller's text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
)

from agent_session_manager.domain.events.model_request import COUNTS, DETAILS
from agent_session_manager.sql.schema.columns import Number, SessionId, usage_columns

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("session_id", SessionId, nullable=False),
    # Changes when a deleted session's id is reused, so that old cursors are recognised.
    Column("generation", String(32), nullable=False),
    Column("session_name", Text, nullable=False),
    Column("project_dir", Text),
    Column("agent_name", Text),
    Column("executor", Text),
    Column("parent_session_id", SessionId),
    Column("created_at", BigInteger, nullable=False),
    Column("last_resumed_at", BigInteger),
    Column("last_activity_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger),
    Column("status", String(8), nullable=False),
    # Derived from the status, the open questions and the newest run; NULL if these have no state.
    Column("state", String(8)),
    Column("last_run", Integer, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("unique_name", Boolean, nullable=False),
    # The reservation of a name: both columns are set, or neither. A UNIQUE over a NULL project
    # would allow duplicates, so "no project" is the empty string here.
    Column("reserved_project", Text),
    Column("reserved_name", Text),
    *usage_columns(),
    # Positions in the feed of all sessions: of the newest change, and of the creation.
    Column("changed_position", BigInteger, nullable=False, server_default="0"),
    Column("created_position", BigInteger, nullable=False, server_default="0"),
    Column("masked_secrets", BigInteger, nullable=False, server_default="0"),
    # Place in lists by creation: `created_at`, but never before a session that was created earlier.
    # Imported sessions are at the time of their beginning.
    Column("list_order", BigInteger, nullable=False, server_default="0"),
    # Of an imported session. The last two are JSON objects.
    Column("title", Text),
    Column("source", Text),
    Column("forked_from", Text),
    # Number of automatic runs since the last run that a person began.
    Column("automatic_runs", Integer, nullable=False, server_default="0"),
    # The first line of the first prompt of a person.
    Column("prompt", Text),
    # The newest run whose end a person has seen, or 0.
    Column("seen_run", Integer, nullable=False, server_default="0"),
    # Derived from the session and its newest run, but for `quiet`.
    Column("attention", String(8)),
    # Derived from the runs: the durations of all that have ended, and the host of the newest.
    Column("took_microseconds", BigInteger, nullable=False, server_default="0"),
    Column("host", Text),
    UniqueConstraint("session_id", name="uq_sessions_session_id"),
    UniqueConstraint("reserved_project", "reserved_name", name="uq_sessions_reserved"),
    Index("ix_sessions_list_order", "list_order", "number"),
    Index("ix_sessions_session_name", "session_name", "project_dir", "list_order", "number"),
    Index("ix_sessions_project_dir", "project_dir", "list_order", "number"),
    Index("ix_sessions_status", "status", "list_order", "number"),
    Index("ix_sessions_state", "state", "list_order", "number"),
    Index("ix_sessions_attention", "attention", "list_order", "number"),
    Index("ix_sessions_cost", "cost_nanodollars", "number"),
    Index("ix_sessions_took", "took_microseconds", "number"),
    Index("ix_sessions_host", "host", "list_order", "number"),
    Index("ix_sessions_last_activity", "last_activity_at", "number"),
    Index("ix_sessions_parent", "parent_session_id", "number"),
    Index("ix_sessions_changed_position", "changed_position"),
    sqlite_autoincrement=True,
)
AGENT = func.coalesce(sessions.c.agent_name, sessions.c.executor)
"""The agent of a session: the name of its definition, or else the kind of agent."""
Index("ix_sessions_agent", AGENT, sessions.c.list_order, sessions.c.number)

runs = Table(
    "runs",
    metadata,
    Column("session_number", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("exit_code", Integer),
    Column("reason", String(16)),
    Column("host", Text),
    Column("spec", Text),
    Column("lease_holder", Text),
    Column("lease_expires_at", BigInteger),
    # The newest assistant message with text, which is the result of the run.
    Column("answer_seq", BigInteger),
    # True if the agent has reported a total: usage of a single request is then only a detail of it.
    Column("has_total", Boolean, nullable=False, server_default=false()),
    # True if no client drove the run.
    Column("imported", Boolean, nullable=False, server_default=false()),
    # True if the end of the run writes a notice for the parent of the session.
    Column("notify", Boolean, nullable=False, server_default=false()),
    # The last line of its answer; of a failed run, the first line of its error.
    Column("outcome", Text),
    # Tool calls that were denied without asking a person, and the tools of the first of them.
    Column("denied_calls", Integer, nullable=False, server_default="0"),
    Column("denied_tools", Text),
    *usage_columns(),
    PrimaryKeyConstraint("session_number", "run", name="pk_runs"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_runs_session", ondelete="CASCADE"
    ),
    # Only runs with a lease: the reaper searches these.
    Index(
        "ix_runs_lease",
        "lease_expires_at",
        sqlite_where=Column("lease_expires_at", BigInteger).is_not(None),
    ),
    Index("ix_runs_started_at", "started_at"),
)

# Number of sessions, not archived, for each project and for each agent. It is derived from
# `sessions`.
facets = Table(
    "facets",
    metadata,
    Column("kind", String(8), nullable=False),
    Column("value", Text, nullable=False),
    Column("sessions", BigInteger, nullable=False),
    PrimaryKeyConstraint("kind", "value", name="pk_facets"),
)
# The order in which facets are listed.
Index("ix_facets_sessions", facets.c.kind, facets.c.sessions.desc(), facets.c.value)

# Sums of one UTC hour: the runs that began in it, and the model requests of it. They are derived
# from `runs` and `usage_facts`. A total of a run is at its start, without the requests of the run,
# so a count of usage can be negative.
usage_sums = Table(
    "usage_sums",
    metadata,
    # The start of the hour.
    Column("hour", BigInteger, nullable=False),
    # The agent of the sessions. Empty for sessions without one: a primary key has no NULL.
    Column("agent_name", Text, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False),
    Column("stopped", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    *usage_columns(),
    PrimaryKeyConstraint("hour", "agent_name", name="pk_usage_sums"),
)

# Digests of the tokens with which runs authenticate. Only the runs have the tokens themselves.
run_tokens = Table(
    "run_tokens",
    metadata,
    Column("digest", String(64), nullable=False),
    Column("session_number", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    PrimaryKeyConstraint("digest", name="pk_run_tokens"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_run_tokens_session", ondelete="CASCADE"
    ),
    Index("ix_run_tokens_session", "session_number"),
)

requests = Table(
    "requests",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("session_number", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    Column("request_id", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    UniqueConstraint("session_number", "run", "request_id", name="uq_requests_id"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_requests_session", ondelete="CASCADE"
    ),
)

# The questions that are open, or would be if their lost run were. They are derived from `events`.
questions = Table(
    "questions",
    metadata,
    Column("session_number", BigInteger, nullable=False),
    Column("question_id", String(128), nullable=False),
    Column("run", Integer, nullable=False),
    # The event that asks the question.
    Column("seq", BigInteger, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("session_number", "question_id", name="pk_questions"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_questions_session", ondelete="CASCADE"
    ),
    Index("ix_questions_asked_at", "asked_at", "session_number", "seq"),
)

# Notices for the parent of a session that a run has ended. A run that was lost can end again, which
# writes a correction. A notice without a batch is pending; the others are offered to a run of the
# parent, or delivered.
notices = Table(
    "notices",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("session_number", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    Column("correction", Integer, nullable=False),
    Column("parent_number", BigInteger, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # The notices that a run of the parent tells together.
    Column("batch_id", String(36)),
    Column("offered_run", Integer),
    # The newest run of the parent that has refused it.
    Column("refused_run", Integer),
    Column("delivered_at", BigInteger),
    UniqueConstraint("session_number", "run", "correction", name="uq_notices_run"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_notices_session", ondelete="CASCADE"
    ),
    ForeignKeyConstraint(
        ["parent_number"], ["sessions.number"], name="fk_notices_parent", ondelete="CASCADE"
    ),
    Index("ix_notices_parent", "parent_number"),
    Index(
        "ix_notices_undelivered",
        "parent_number",
        sqlite_where=Column("delivered_at", BigInteger).is_(None),
    ),
)

# The usage of each model request. A request is counted once over all sessions, also if copies of a
# session report it again. An unknown value is NULL.
usage_facts = Table(
    "usage_facts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("request_key", Text, nullable=False),
    Column("session_number", BigInteger, nullable=False),
    Column("run", Integer, nullable=False),
    # True if a total of the agent includes this request.
    Column("covered", Boolean, nullable=False),
    # True if only copies of the session that made the request have reported it.
    Column("inherited", Boolean, nullable=False),
    Column("occurred_at", BigInteger),
    *(Column(name, Text) for name in DETAILS),
    *(Column(name, BigInteger) for name in COUNTS),
    Column("cost_nanodollars", BigInteger),
    # `agent`: the agent's own figure. `table`: computed from the prices of `prices_as_of`.
    Column("cost_source", String(8)),
    Column("prices_as_of", String(10)),
    UniqueConstraint("request_key", name="uq_usage_facts_key"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_usage_facts_session", ondelete="CASCADE"
    ),
    Index("ix_usage_facts_run", "session_number", "run", "covered"),
    Index("ix_usage_facts_occurred_at", "occurred_at"),
    # Only requests with a known model: the newest one names the model of its session.
    Index(
        "ix_usage_facts_model",
        "session_number",
        "number",
        sqlite_where=Column("model", Text).is_not(None),
    ),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("session_number", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("event_id", Text),
    Column("run", Integer, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("fields", Text, nullable=False),
    # CRC-32 of the row; NULL for events that were stored before checksums existed.
    Column("checksum", BigInteger),
    UniqueConstraint("session_number", "seq", name="uq_events_seq"),
    ForeignKeyConstraint(
        ["session_number"], ["sessions.number"], name="fk_events_session", ondelete="CASCADE"
    ),
    # Only events that have an id: an event that is sent twice is stored once.
    Index(
        "uq_events_event_id",
        "session_number",
        "event_id",
        unique=True,
        sqlite_where=Column("event_id", Text).is_not(None),
    ),
    # A number is never used again, even if the newest events are deleted: readers rely on it.
    sqlite_autoincrement=True,
)

# One row: the last position of the feed of all sessions, and the position since which deletions
# are recorded.
feed = Table(
    "feed",
    metadata,
    Column("generation", String(32), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("complete_after", BigInteger, nullable=False),
    # Number of transactions, on SQLite only: it is compared with the head file of the database.
    Column("commits", BigInteger, nullable=False, server_default="0"),
)

deleted_sessions = Table(
    "deleted_sessions",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("session_id", SessionId, nullable=False),
)

# Transcripts have no foreign key to sessions: agents also send transcripts of unknown sessions.
transcripts = Table(
    "transcripts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("project_key", Text, nullable=False),
    Column("session_id", SessionId, nullable=False),
    # Empty for the main transcript: a UNIQUE over NULL would allow duplicates.
    Column("subpath", Text, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("project_key", "session_id", "subpath", name="uq_transcripts_key"),
    Index("ix_transcripts_session_id", "session_id"),
    sqlite_autoincrement=True,
)

transcript_entries = Table(
    "transcript_entries",
    metadata,
    Column("transcript_number", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("entry_id", Text),
    # In bytes, and stored before the line: a page is measured without reading its lines.
    Column("size", Integer, nullable=False),
    Column("line", Text, nullable=False),
    PrimaryKeyConstraint("transcript_number", "position", name="pk_transcript_entries"),
    ForeignKeyConstraint(
        ["transcript_number"],
        ["transcripts.number"],
        name="fk_transcript_entries_transcript",
        ondelete="CASCADE",
    ),
    Index(
        "uq_transcript_entries_entry_id",
        "transcript_number",
        "entry_id",
        unique=True,
        sqlite_where=Column("entry_id", Text).is_not(None),
    ),
)

transcript_summaries = Table(
    "transcript_summaries",
    metadata,
    Column("transcript_number", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("summary", Text, nullable=False),
    ForeignKeyConstraint(
        ["transcript_number"],
        ["transcripts.number"],
        name="fk_transcript_summaries_transcript",
        ondelete="CASCADE",
    ),
)
