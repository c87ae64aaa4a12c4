"""Claude Code: its process, its messages, and their translation into events."""
