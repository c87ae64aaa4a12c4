"""The search index of a SQLite database, in a file of its own."""
