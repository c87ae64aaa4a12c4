"""Codex, driven over its app-server: one process and one turn for each run."""
