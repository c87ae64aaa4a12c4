"""The command `agent-session-manager`."""
