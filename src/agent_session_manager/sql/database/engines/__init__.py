"""Opening a database by its URL: the engines and connections of SQLite and of PostgreSQL."""
