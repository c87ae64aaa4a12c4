"""The file of a SQLite database: its owner, its high-water mark, its ballast, and its text."""
