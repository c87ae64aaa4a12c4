"""Maintenance of the state on this machine: checks, and purging."""
