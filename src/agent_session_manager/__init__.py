"""Agent Session Manager: keeps every session and event in a database, serves them over HTTP."""

__version__ = "0.1.0"
