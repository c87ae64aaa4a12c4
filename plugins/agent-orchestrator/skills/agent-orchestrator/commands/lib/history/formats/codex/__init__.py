"""Reads the rollouts of Codex: the files of its sessions, which Codex calls threads."""

from .format import FORMAT

__all__ = ["FORMAT"]
