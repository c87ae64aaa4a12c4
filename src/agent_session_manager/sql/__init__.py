"""The store in SQL, for SQLite and for PostgreSQL."""
