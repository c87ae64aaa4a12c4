"""Automatic work of the manager: reaping, retention, backups, alerts."""
