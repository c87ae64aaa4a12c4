"""Alembic environment: runs the migrations on a given connection, in one transaction."""

from alembic import context

from agent_session_manager.sql.schema.alerts import alerts

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=alerts.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
