"""Reads the session files of the earlier Agent Orchestrator."""

from .format import FORMAT

__all__ = ["FORMAT"]
