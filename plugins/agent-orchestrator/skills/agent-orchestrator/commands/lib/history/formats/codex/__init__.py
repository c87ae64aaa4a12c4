"""Reads the rollouts of Codex."""

from .format import FORMAT

__all__ = ["FORMAT"]
