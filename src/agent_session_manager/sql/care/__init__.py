"""Care of a database: safeguards, checks, backups, restores, vacuum."""
