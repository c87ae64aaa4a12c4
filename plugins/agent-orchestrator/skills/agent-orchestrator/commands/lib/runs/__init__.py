"""Runs: their assignment, start, supervision and stop."""
