"""Claude Code: the transcripts of its sessions and of their subagents."""

from .format import FORMAT as FORMAT
