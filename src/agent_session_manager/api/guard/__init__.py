"""Checks before a route: who sends a request, what the sender may do, and the load limits."""
