"""Helpers that several suites share: real managers, real clients, and waits with a timeout."""
