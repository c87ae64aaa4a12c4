"""Supervision of one run by its supervisor: its agent, requests, questions, notices, and end."""
