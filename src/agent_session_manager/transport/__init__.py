"""Connections: accepting them, TLS, and deadlines."""
