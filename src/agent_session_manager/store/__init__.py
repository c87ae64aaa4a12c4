"""Durable state: sessions, runs and events in SQLite or PostgreSQL."""
