"""Live feeds: of one session, of all sessions, and of a family."""
