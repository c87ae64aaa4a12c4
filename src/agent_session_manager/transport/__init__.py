"""Connections: accepting them, TLS, and what a server may wait for."""
