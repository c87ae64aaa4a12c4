"""Agent Session Manager: keeps every session and every event in a database, serves them over HTTP."""

__version__ = "0.1.0"
