"""Claude Code: how it is started, what it says, and what that means."""
