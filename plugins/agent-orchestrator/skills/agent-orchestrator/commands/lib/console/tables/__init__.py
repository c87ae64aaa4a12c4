"""Lists that commands print: agents, sessions, usage, and hits of a search."""
