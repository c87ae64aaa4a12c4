"""The search index of a PostgreSQL database, in tables of their own."""
